// Puts in their places what the invalidator sends while the page is open: parts of the page, once
// a second, and the lines of the feed. All of it comes rendered and escaped. Without this script
// the page is as it was when it was loaded.
"use strict";

(() => {
	const bar = document.querySelector("[data-live]");
	const feed = document.querySelector("[data-feed]");
	if (!bar || !feed || !window.EventSource) return;

	const most = 100; // lines of the feed that are kept
	const quiet = 4000; // ms without a word until the page says so; there is one a second
	const again = 3000; // ms until a stream is opened again that was refused

	const status = document.createElement("span");
	status.setAttribute("role", "status");
	const button = document.createElement("button");
	button.type = "button";
	bar.replaceChildren(status, button);

	let source = null;
	let paused = false;
	let heard = 0;
	let silence = 0;
	let retry = 0;

	function say(state, text) {
		bar.dataset.state = state;
		if (status.textContent !== text) status.textContent = text;
	}

	function watchForSilence() {
		clearTimeout(silence);
		silence = setTimeout(() => say("lost", "No word from the invalidator"), quiet);
	}

	function hear() {
		heard = performance.now();
		say("live", "Live");
		watchForSilence();
	}

	// What somebody works with is left as it is until he has done.
	function busy(part) {
		const selection = getSelection();
		return part.contains(document.activeElement) || (!selection.isCollapsed && part.contains(selection.anchorNode));
	}

	const before = new Map(); // what each part was last
	function take(parts) {
		for (const [id, html] of Object.entries(parts)) {
			const part = document.getElementById(id);
			if (!part || before.get(id) === html || busy(part)) continue;
			before.set(id, html);
			part.innerHTML = html;
		}
	}

	function add(html) {
		feed.querySelector("[data-empty]")?.remove();
		const template = document.createElement("template");
		template.innerHTML = html;
		const line = template.content.firstElementChild;
		if (!line) return;
		line.classList.add("new");
		feed.prepend(line);
		for (let last = feed.lastElementChild; feed.children.length > most && !busy(last); last = feed.lastElementChild) last.remove();
	}

	function note(text) {
		const line = document.createElement("li");
		line.className = "note";
		line.textContent = text;
		feed.prepend(line);
	}

	function open() {
		clearTimeout(retry);
		if (paused || document.hidden || source) return;
		say("connecting", "Connecting");
		watchForSilence();
		const opened = new EventSource("/live");
		source = opened;
		opened.addEventListener("panels", (e) => {
			hear();
			take(JSON.parse(e.data));
		});
		opened.addEventListener("entry", (e) => {
			hear();
			add(JSON.parse(e.data).html);
		});
		opened.addEventListener("dropped", () => note("Something was lost here: this page reads too slowly."));
		opened.addEventListener("error", () => {
			if (source !== opened) return;
			say("lost", "No word from the invalidator");
			if (opened.readyState !== EventSource.CLOSED) return; // the browser tries again
			close();
			retry = setTimeout(open, again * (0.5 + Math.random()));
		});
	}

	function close() {
		clearTimeout(silence);
		clearTimeout(retry);
		source?.close();
		source = null;
	}

	button.textContent = "Pause updates";
	button.addEventListener("click", () => {
		paused = !paused;
		button.textContent = paused ? "Resume updates" : "Pause updates";
		if (paused) {
			close();
			say("paused", "Updates are paused");
		} else {
			note("Changes of the time in which updates were paused are not shown here.");
			open();
		}
	});

	// A tab that nobody sees needs no stream: a browser has few connections to one server.
	let hiddenAt = 0;
	document.addEventListener("visibilitychange", () => {
		if (paused) return;
		if (document.hidden) {
			hiddenAt = performance.now();
			close();
		} else {
			if (hiddenAt > 0 && heard > 0) note("Changes of the time in which this tab was hidden are not shown here.");
			open();
		}
	});
	window.addEventListener("pagehide", close);
	window.addEventListener("pageshow", open);

	// The boxes. A statement is sent as JSON, which a browser sends to no other origin unasked.
	const ask = {
		url: (form) => fetch(`/explain?url=${encodeURIComponent(form.elements.url.value)}`, { headers: { Accept: "text/html" } }),
		sql: (form) => {
			const headers = { Accept: "text/html", "Content-Type": "application/json" };
			if (form.elements.token) headers.Authorization = `Bearer ${form.elements.token.value}`;
			return fetch("/explain/sql", { method: "POST", headers, body: JSON.stringify({ sql: form.elements.sql.value }) });
		},
	};
	for (const form of document.querySelectorAll("[data-explain]")) {
		const what = form.dataset.explain;
		const answer = document.getElementById(`${what}-answer`);
		const submit = form.querySelector("button");
		submit.disabled = false;
		form.addEventListener("submit", async (e) => {
			e.preventDefault();
			submit.disabled = true;
			answer.setAttribute("aria-busy", "true");
			try {
				const reply = await ask[what](form);
				if (!reply.headers.get("Content-Type")?.startsWith("text/html")) throw new Error(await reply.text());
				answer.innerHTML = await reply.text();
			} catch (fault) {
				const text = document.createElement("p");
				text.className = "fault";
				text.textContent = `No answer: ${fault.message}`;
				answer.replaceChildren(text);
			} finally {
				submit.disabled = false;
				answer.removeAttribute("aria-busy");
			}
		});
		// Ctrl+Enter or Cmd+Enter sends a statement.
		form.addEventListener("keydown", (e) => {
			if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) form.requestSubmit();
		});
	}

	open();
})();
