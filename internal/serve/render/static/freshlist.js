// What a page does not know of itself, because it shows one query's rows and
// nothing else: how many homes there are in all, their prices, and the values
// that a filter can take. It comes from the summary of the same filter. The
// page works without it, and if it cannot be had.
"use strict";

(() => {
	const form = document.querySelector("form[action='/']");
	if (!form) return;

	// Fields left empty, lists given one by one, and amounts as people write them
	// have a shorter spelling.
	form.addEventListener("formdata", ({ formData }) => {
		for (const name of new Set(formData.keys())) {
			const amount = form.elements[name].inputMode === "decimal";
			const values = formData
				.getAll(name)
				.map((v) => (amount ? v.replace(/[$,\s]/g, "") : v))
				.filter((v) => v.trim() !== "");
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

	// The address of the summary without some of its conditions: it tells what
	// else those could be.
	function without(...names) {
		const [path, query = ""] = address.split("?");
		const kept = query.split("&").filter((pair) => !names.includes(pair.split("=")[0]));
		return kept.join("") === "" ? path : `${path}?${kept.join("&")}`;
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
		const counts = new Map(facets.map((f) => [f.value, f.count]));
		const others = [...counts.keys()].filter((v) => askable(v) && !chosen.includes(v));
		const values = [...chosen, ...others];
		if (values.length === 0) return;

		const set = document.createElement("fieldset");
		const legend = document.createElement("legend");
		legend.textContent = field.querySelector("label").textContent;
		const list = document.createElement("div");
		list.className = "checks";
		for (const value of values) {
			const box = document.createElement("input");
			Object.assign(box, { type: "checkbox", name: input.name, value, checked: chosen.includes(value) });
			list.append(checkLabel(box, text(value), counts.get(value) ?? 0));
		}
		set.append(legend, list);
		group.prepend(set);

		if (facets.length < mostFacets) {
			field.remove();
		} else {
			input.value = "";
			field.querySelector("label").textContent = `Another ${legend.textContent.toLowerCase()}`;
		}
	}

	const mostFacets = 100; // a summary names no more values of a column

	// A list of values is written with commas, so a value with one cannot be in it.
	const askable = (value) => value !== null && value !== "" && !value.includes(",");

	function checkLabel(box, text, count) {
		const label = document.createElement("label");
		label.className = "check";
		const number = document.createElement("span");
		number.className = "count";
		number.textContent = count.toLocaleString("en-US");
		label.append(box, text, number);
		return label;
	}

	// Each number of bedrooms says how many homes it would leave.
	function countBedrooms(facets) {
		const leaves = { min_bedrooms: (n, most) => n >= most, max_bedrooms: (n, most) => n <= most };
		for (const [name, within] of Object.entries(leaves)) {
			for (const option of form.elements[name].options) {
				if (option.value === "") continue;
				const left = facets.filter((f) => f.value !== null && within(f.value, Number(option.value)));
				const count = left.reduce((sum, f) => sum + f.count, 0);
				option.textContent = `${option.value} (${count.toLocaleString("en-US")})`;
			}
		}
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
	quietly(summaryAt(without("min_bedrooms", "max_bedrooms")).then((summary) => countBedrooms(summary.by_bedrooms)));
})();
