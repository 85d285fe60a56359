// What a page does not know of itself, because it shows one query's rows and
// nothing else: how many homes there are in all, their prices, and the values
// that a filter can take. It comes from the summary of the same filter. The
// page works without it, and if it cannot be had.
"use strict";

(() => {
	const form = document.querySelector("form[action='/']");
	if (!form) return;

	// Fields left empty, and lists given one by one, have a shorter spelling.
	form.addEventListener("formdata", ({ formData }) => {
		for (const name of new Set(formData.keys())) {
			const values = formData.getAll(name).filter((v) => v.trim() !== "");
			formData.delete(name);
			if (values.length > 0) formData.set(name, values.join(","));
		}
	});

	const address = form.dataset.summary;
	if (!address) return;

	const answers = new Map();
	const summaryAt = (url) => {
		if (!answers.has(url)) answers.set(url, ask(url));
		return answers.get(url);
	};

	async function ask(url) {
		const answer = await fetch(url, { headers: { Accept: "application/json" } });
		if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
		return answer.json();
	}

	// The address of the summary without one of its conditions: what else that
	// one could be.
	function without(name) {
		const url = new URL(address, location.href);
		if (!url.searchParams.has(name)) return address;
		url.searchParams.delete(name);
		return url.pathname + url.search;
	}

	const dollars = (amount) =>
		amount.toLocaleString("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });

	function showTotals({ count, price }) {
		const totals = document.querySelector("[data-totals]");
		const number = document.createElement("b");
		number.textContent = count.toLocaleString("en-US");
		totals.append(number, count === 1 ? " home" : " homes");
		if (count === 0) return;
		totals.append(
			price.min === price.max
				? `, ${dollars(price.min)}`
				: `, ${dollars(price.min)} to ${dollars(price.max)}, on average ${dollars(price.mean)}`,
		);
	}

	// A text field for a list becomes a choice of its values.
	function offer(group, facets, text) {
		const field = group.querySelector(".field");
		const input = field.querySelector("input");
		const chosen = input.value.split(",").filter((v) => v !== "");
		const values = facets.filter((f) => f.value !== null);
		const known = new Set(values.map((f) => f.value));
		for (const value of chosen) {
			if (!known.has(value)) values.push({ value, count: 0 });
		}
		if (values.length === 0) return;

		const set = document.createElement("fieldset");
		const legend = document.createElement("legend");
		legend.textContent = field.querySelector("label").textContent;
		const list = document.createElement("div");
		list.className = "checks";
		list.append(...values.map((f) => checkbox(input.name, f, chosen.includes(f.value), text)));
		set.append(legend, list);

		const all = facets.length < 100; // a summary names no more
		if (all) {
			field.remove();
		} else {
			input.value = "";
			field.querySelector("label").textContent = `Another ${legend.textContent.toLowerCase()}`;
		}
		group.prepend(set);
	}

	function checkbox(name, { value, count }, checked, text) {
		const label = document.createElement("label");
		label.className = "check";
		const box = Object.assign(document.createElement("input"), { type: "checkbox", name, value, checked });
		const number = document.createElement("span");
		number.className = "count";
		number.textContent = count.toLocaleString("en-US");
		label.append(box, text(value), number);
		return label;
	}

	function placeName(value) {
		const words = value.replaceAll("_", " ");
		if (words !== words.toUpperCase()) return words;
		return words.toLowerCase().replace(/(^| )\S/g, (c) => c.toUpperCase());
	}

	const typeName = (value) => value.replaceAll("_", "-");

	const quietly = (what) => what.catch((fault) => console.warn("summary:", fault));
	quietly(summaryAt(address).then(showTotals));
	for (const [facet, name, text] of [
		["by_city", "city", placeName],
		["by_property_type", "property_type", typeName],
	]) {
		const group = form.querySelector(`[data-facet="${facet}"]`);
		quietly(summaryAt(without(name)).then((summary) => offer(group, summary[facet], text)));
	}
})();
