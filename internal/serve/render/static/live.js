// A page that changes while it is open. Its own address, asked for as a stream of events,
// tells when the answer has changed; then the page is asked for again, and what differs is
// put in the place of what is there. Focus, scroll position, open details and what has been
// typed stay. Without JavaScript the page is as it was when it was loaded.
//
// An element with the attribute data-kept, and all that is in it, is left to other scripts: those
// hear of a change by the event "freshlist:changed" of the document.
"use strict";

(() => {
	const main = document.getElementById("main");
	if (!main || !window.EventSource) return;

	const marked = 2000; // ms that a change is shown
	const spoken = 5000; // ms between two announcements: each is read out
	const behind = 100; // ms until a page is asked for again that is older than its event says
	const tries = 10;
	const again = 5000; // ms until a stream is opened again that was refused, or a page asked for that failed

	let source = null;
	let timer = 0; // of the stream
	let retrying = 0; // of the page
	let shown = ""; // entity tag of what is shown; "" if that is not known
	let wanted = ""; // of the last event
	let loading = false;
	let heard = true; // whether the stream hears of changes
	let failed = false; // whether what the stream told of could not be fetched

	// The bar: a state for screen readers too, and a button.
	const bar = document.createElement("div");
	bar.className = "live";
	const status = document.createElement("span");
	status.setAttribute("role", "status");
	const button = document.createElement("button");
	button.type = "button";
	bar.append(status, button);

	let spokenAt = -spoken;
	let waiting = 0;
	function say(text) {
		clearTimeout(waiting);
		const speak = () => {
			if (status.textContent === text) return;
			spokenAt = performance.now();
			status.textContent = text;
		};
		const left = spokenAt + spoken - performance.now();
		if (left <= 0 || !text.startsWith("Updated")) speak();
		else waiting = setTimeout(speak, left);
	}

	// Paused pages stay so while the tab is open.
	const memory = "freshlist-paused";
	let paused = remembered();
	function remembered() {
		try {
			return sessionStorage.getItem(memory) === "yes";
		} catch {
			return false; // forbidden by the browser's settings
		}
	}
	function remember() {
		try {
			sessionStorage.setItem(memory, paused ? "yes" : "no");
		} catch {
			// It holds for this page, then.
		}
	}

	function show() {
		button.textContent = paused ? "Resume updates" : "Pause updates";
		bar.dataset.state = paused ? "paused" : "connecting";
	}

	function showLive() {
		if (source) bar.dataset.state = heard && !failed ? "live" : "lost";
	}

	button.addEventListener("click", () => {
		paused = !paused;
		remember();
		show();
		if (paused) {
			close();
			say("Updates are paused");
		} else {
			open();
		}
	});

	// A tab that nobody sees needs no stream: a browser has few connections to one server.
	document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
	window.addEventListener("pagehide", close);
	window.addEventListener("pageshow", open);

	function close() {
		bar.dataset.state = paused ? "paused" : "connecting";
		clearTimeout(timer);
		clearTimeout(retrying);
		source?.close();
		source = null;
	}

	function open() {
		if (paused || document.hidden || source) return;
		clearTimeout(timer);
		const opened = new EventSource(location.pathname + location.search);
		source = opened;
		opened.addEventListener("open", () => {
			heard = true;
			showLive();
		});
		opened.addEventListener("change", (e) => {
			wanted = bare(e.lastEventId);
			if (wanted === shown) say("Live");
			else load();
		});
		opened.addEventListener("lost", () => {
			heard = false;
			showLive();
			say("Updates may come late");
		});
		opened.addEventListener("heard", () => {
			heard = true;
			showLive();
			say("Live");
		});
		opened.addEventListener("error", () => {
			if (source !== opened) return;
			say("Connecting");
			if (opened.readyState !== EventSource.CLOSED) return; // the browser tries again
			close();
			timer = setTimeout(open, again * (0.5 + Math.random()));
		});
	}

	// An entity tag without what tells codings apart.
	const bare = (tag) => (tag ?? "").replace(/^W\//, "").replaceAll('"', "").replace(/-gzip$/, "");

	// One request at a time. What it brings may be older than an event that has come since, or
	// from a process that hears of the change a moment later: then it is asked for again. Where that
	// fails, people are told, and it is tried again later.
	async function load() {
		if (loading) return;
		loading = true;
		clearTimeout(retrying);
		try {
			for (let n = 0; n < tries && source && wanted !== shown; n++) {
				if (n > 0) await new Promise((done) => setTimeout(done, n === 1 ? 10 : behind));
				const answer = await fetch(location.href, { cache: "no-cache", headers: { Accept: "text/html" } });
				const text = await answer.text();
				if (!source) break; // paused meanwhile
				if (!answer.ok && answer.status !== 404) throw new Error(`${answer.status}`);
				take(new DOMParser().parseFromString(text, "text/html"));
				shown = bare(answer.headers.get("ETag"));
			}
		} catch (fault) {
			console.warn("live:", fault);
		} finally {
			loading = false;
		}
		failed = source !== null && wanted !== shown;
		showLive();
		if (!failed) return;
		say("Updates may come late");
		retrying = setTimeout(load, again * (0.5 + Math.random()));
	}

	// take puts another state of the page in the place of the one that is shown.
	function take(next) {
		const nextMain = next.getElementById("main");
		if (!nextMain) return;
		const changed = new Set();
		morph(main, nextMain, changed);
		if (document.title !== next.title) document.title = next.title;
		if (changed.size === 0) {
			say("Live");
			return;
		}
		for (const element of changed) mark(element);
		say(`Updated at ${new Date().toLocaleTimeString()}`);
		document.dispatchEvent(new CustomEvent("freshlist:changed"));
	}

	function mark(element) {
		element.classList.remove("changed");
		void element.offsetWidth; // or the animation would not begin anew
		element.classList.add("changed");
		clearTimeout(marks.get(element));
		marks.set(element, setTimeout(() => unmark(element), marked));
	}
	const marks = new Map();

	function unmark(element) {
		marks.delete(element);
		element.classList.remove("changed");
		if (element.classList.length === 0) element.removeAttribute("class");
	}

	// What other scripts have made of the page, and what people type into, is not compared.
	const kept = (node) => node.nodeType === Node.ELEMENT_NODE && node.matches("[data-kept], [data-totals], .filters, script");

	// What is the same thing in both states: a row by the address that it leads to.
	function keyOf(node) {
		if (node.nodeType !== Node.ELEMENT_NODE) return node.nodeName;
		const link = node.matches("li, article, tr") ? node.querySelector("h2 a, h3 a, h4 a") : null;
		return `${node.nodeName} ${node.id} ${link?.getAttribute("href") ?? node.classList.item(0) ?? ""}`;
	}

	function morph(old, next, changed) {
		if (kept(old)) return;
		attributes(old, next, changed);
		const left = new Map(); // children of old by key
		for (const child of old.childNodes) {
			const key = keyOf(child);
			if (!left.has(key)) left.set(key, []);
			left.get(key).push(child);
		}
		let at = old.firstChild;
		for (const wanted of next.childNodes) {
			const same = left.get(keyOf(wanted))?.shift();
			if (same === undefined) {
				const added = document.importNode(wanted, true);
				old.insertBefore(added, at);
				note(added, changed);
				continue;
			}
			if (same === at) {
				at = at.nextSibling;
			} else if (!same.contains(document.activeElement) || !old.contains(at)) {
				old.insertBefore(same, at);
			} else {
				// To move what has the focus would take it away: move what is before it.
				while (at !== same) {
					const before = at;
					at = at.nextSibling;
					old.append(before);
				}
				at = same.nextSibling;
			}
			if (same.nodeType === Node.ELEMENT_NODE) {
				morph(same, wanted, changed);
			} else if (same.data !== wanted.data) {
				same.data = wanted.data;
				note(same, changed);
			}
		}
		for (const children of left.values()) {
			for (const child of children) {
				if (!kept(child)) {
					if (child.nodeType === Node.ELEMENT_NODE && !old.closest(places)) changed.add(old);
					child.remove();
				}
			}
		}
	}

	function attributes(old, next, changed) {
		const theirs = (name) => name === "open" && old.matches("details"); // whoever reads has opened or closed it
		for (const { name, value } of next.attributes) {
			if (old.getAttribute(name) === value || theirs(name)) continue;
			if (name === "class" && withoutMark(old) === value) continue;
			old.setAttribute(name, value);
			if (name !== "href" || value.includes("cursor=")) continue;
			note(old, changed);
		}
		for (const { name } of [...old.attributes]) {
			const mine = name === "class" && withoutMark(old) === "";
			if (!next.hasAttribute(name) && !mine && !theirs(name)) old.removeAttribute(name);
		}
	}

	const withoutMark = (element) => (element.getAttribute("class") ?? "").replace(/ ?\bchanged\b/, "").trim();

	// The map and the numbers of its pins, which are others whenever a row comes or goes.
	const places = ".map, .on-map";

	// note notes which element a person should look at: the card of a list, or a single fact.
	function note(node, changed) {
		const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
		if (element.closest(places) || (node.nodeType !== Node.ELEMENT_NODE && node.data.trim() === "")) return;
		changed.add(element.closest(".card, dd, .price, .description, h1") ?? element);
	}

	(document.querySelector(".masthead .wrap") ?? document.body).append(bar);
	show();
	say(paused ? "Updates are paused" : "Connecting");
	open();
})();
