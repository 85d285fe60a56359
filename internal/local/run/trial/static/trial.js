// Keeps the page as things are. The buttons work without it, by loading the page again.
"use strict";

(() => {
	const main = document.querySelector("main");
	const every = 1000; // ms

	async function take(answer) {
		const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
		const focused = [...main.querySelectorAll("button")].indexOf(document.activeElement);
		if (!next || next.innerHTML === main.innerHTML) return;
		for (const selector of ["ul", "[data-api]", "[data-seen]"]) {
			const old = main.querySelector(selector);
			const fresh = next.querySelector(selector);
			if (old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
		}
		if (focused >= 0) main.querySelectorAll("button")[focused]?.focus();
	}

	async function refresh() {
		try {
			if (!document.hidden) await take(await fetch(location.href));
		} catch {
			main.querySelector("[data-api]").textContent = "make run does not answer: it has ended.";
		}
		setTimeout(refresh, every);
	}

	// A button does not load the page again, so that the frame does not flicker.
	document.addEventListener("submit", async (e) => {
		e.preventDefault();
		const body = new URLSearchParams(new FormData(e.target, e.submitter));
		e.submitter.disabled = true;
		try {
			await take(await fetch(e.target.action, { method: "POST", body }));
		} finally {
			e.submitter.disabled = false;
		}
	});
	setTimeout(refresh, every);
})();
