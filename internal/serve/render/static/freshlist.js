// What a page does not know of itself, because it shows one query's rows and
// nothing else: how many there are in all, what they cost, and the values
// that a filter can take. It comes from the summary of the same filter. The
// page works without it, and if it cannot be had.
"use strict";

(() => {
	// Fields are found through the document: a form has a property for each field's
	// name, and that may be any name.
	const fieldsOf = (name) => document.querySelectorAll(`.filters [name="${CSS.escape(name)}"]`);

	// Fields left empty, lists given one by one, and amounts as people write them
	// have a shorter spelling.
	document.addEventListener("formdata", ({ formData }) => {
		for (const name of new Set(formData.keys())) {
			const amount = fieldsOf(name)[0]?.inputMode === "decimal";
			const values = formData
				.getAll(name)
				.map((v) => (amount ? v.replace(/[$€£¥₹,\s]/g, "") : v))
				.filter((v) => v.trim() !== "");
			formData.delete(name);
			if (values.length > 0) formData.set(name, values.join(","));
		}
	});

	// A page that shows a bad request again has no totals, but a form.
	const totals = document.querySelector("[data-totals]");
	const form = document.querySelector(".filters form");
	if (!form) return;

	const address = form.dataset.facets;
	const locale = `${form.dataset.locale}-u-nu-latn`;
	const most = Number(form.dataset.most); // values of one list
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

	// An amount as the description says: of money, or with a unit.
	function amount(value) {
		const { currency, unit } = totals.dataset;
		if (typeof value !== "number") return String(value); // NaN
		if (currency) return value.toLocaleString(locale, { style: "currency", currency, maximumFractionDigits: 0 });
		const number = value.toLocaleString(locale);
		return unit ? `${number} ${unit}` : number;
	}

	function showTotals(summary) {
		const { row, rows, stat } = totals.dataset;
		const number = document.createElement("b");
		number.textContent = summary.count.toLocaleString(locale);
		totals.append(number, ` ${summary.count === 1 ? row : rows}`);
		const range = stat === undefined ? null : summary[stat];
		if (range === null || range.min === null) return;
		totals.append(
			range.min === range.max
				? `, ${amount(range.min)}`
				: `, ${amount(range.min)} to ${amount(range.max)}, on average ${amount(range.mean)}`,
		);
	}

	// A text field for a list becomes a choice of its values. Values that are printed alike are
	// one choice: that which occurs.
	function offer(group, facets) {
		const text = printed[group.dataset.show] ?? ((value) => value);
		const field = group.querySelector(".field");
		const input = field.querySelector("input");
		const counts = new Map(facets.filter((f) => f.value !== null).map((f) => [String(f.value), f.count]));
		const shown = new Set([...counts.keys()].map(text));
		const given = input.value.split(",").filter((v) => v !== "");
		const chosen = given.filter((v) => counts.has(v) || !shown.has(text(v)));
		const others = [...counts.keys()].filter((v) => askable(v) && !chosen.includes(v));
		const values = [...chosen, ...others];
		if (values.length === 0) return;

		const set = document.createElement("fieldset");
		const legend = document.createElement("legend");
		legend.textContent = field.querySelector("label").textContent;
		const list = document.createElement("div");
		list.className = "checks";
		const isChosen = (v) => chosen.includes(v) || given.some((g) => text(g) === text(v));
		for (const value of values) {
			const box = document.createElement("input");
			Object.assign(box, { type: "checkbox", name: input.name, value, checked: isChosen(value) });
			list.append(checkLabel(box, text(value), counts.get(value) ?? 0));
		}
		set.append(legend, list);
		group.prepend(set);

		const whole = facets.length < mostFacets;
		if (whole) {
			const fault = field.querySelector(".fault");
			if (fault) legend.after(fault);
			for (const attribute of ["aria-invalid", "aria-describedby"]) {
				if (input.hasAttribute(attribute) && fault) set.setAttribute(attribute, input.getAttribute(attribute));
			}
			set.id = input.id;
			field.remove();
		} else {
			input.value = "";
			field.querySelector("label").textContent = `Another ${legend.textContent.toLowerCase()}`;
		}
		limit(set, list);
	}

	// A request may have so many values of a list, and no more: boxes beyond cannot be chosen until
	// another is given up.
	function limit(set, list) {
		const boxes = [...list.querySelectorAll("input")];
		if (boxes.length <= most) return;
		const note = document.createElement("p");
		note.className = "hint";
		note.setAttribute("role", "status");
		const check = () => {
			const count = boxes.filter((b) => b.checked).length;
			for (const b of boxes) b.disabled = count >= most && !b.checked;
			note.textContent = count < most ? "" : `${count > most ? `${count} are chosen. ` : ""}At most ${most} can be chosen.`;
		};
		set.addEventListener("change", check);
		set.append(note);
		check();
	}

	const mostFacets = 100; // a summary names no more values of a column

	// A list of values is written with commas between; a backslash makes one a part of its value.
	const item = (value) => value.replace(/[,\\]/g, "\\$&");
	const items = (list) => list.match(/(?:\\[,\\]|[^,])+/g)?.map((v) => v.replace(/\\([,\\])/g, "$1")) ?? [];
	const askable = (value) => value !== "";

	function checkLabel(box, text, count) {
		const label = document.createElement("label");
		label.className = "check";
		const number = document.createElement("span");
		number.className = "count";
		number.textContent = count.toLocaleString(locale);
		label.append(box, text, number);
		return label;
	}

	// A field for the least or the greatest of few numbers becomes a choice of them. Each
	// says how many rows it would leave.
	function offerBounds(group, facets) {
		const values = facets.map((f) => f.value).filter((v) => typeof v === "number").sort((a, b) => a - b);
		if (values.length === 0 || values.length > mostNumbers) return;
		for (const input of group.querySelectorAll("input")) {
			const least = input.name.startsWith("min_");
			const select = document.createElement("select");
			Object.assign(select, { id: input.id, name: input.name });
			for (const attribute of ["aria-invalid", "aria-describedby"]) {
				if (input.hasAttribute(attribute)) select.setAttribute(attribute, input.getAttribute(attribute));
			}
			const option = (value, text) => select.append(new Option(text, value, false, value === input.value));
			option("", "Any");
			for (const value of values) {
				const left = facets.filter((f) => typeof f.value === "number" && (least ? f.value >= value : f.value <= value));
				const count = left.reduce((sum, f) => sum + f.count, 0);
				option(String(value), `${value} (${count.toLocaleString(locale)})`);
			}
			if (!values.includes(Number(input.value)) && input.value !== "") option(input.value, input.value);
			input.replaceWith(select);
		}
	}

	const mostNumbers = 30; // more are easier to type

	// How a stored text is printed, by the way that its column is shown.
	const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);
	const spaced = (value) => capitalized(value.replaceAll("_", " "));
	const printed = {
		words: spaced,
		badge: spaced,
		name(value) {
			if (value !== value.toUpperCase()) return value.replaceAll("_", "-");
			return value
				.replaceAll("_", " ")
				.toLowerCase()
				.replace(/(^| )\S/g, (c) => c.toUpperCase());
		},
	};

	const quietly = (what) => what.catch((fault) => console.warn("summary:", fault));
	if (totals) {
		quietly(summaryAt(address).then(showTotals));
		// The page has changed while it is open. The summary is another answer, purged at about the same time.
		let asking = 0;
		document.addEventListener("freshlist:changed", () => {
			clearTimeout(asking);
			asking = setTimeout(() => quietly(ask(address).then((summary) => {
				totals.replaceChildren();
				showTotals(summary);
			})), 250);
		});
	}
	for (const group of document.querySelectorAll("[data-facet]")) {
		const names = [...group.querySelectorAll("input")].map((input) => input.name);
		const show = group.matches("fieldset") ? offerBounds : offer;
		quietly(summaryAt(without(...names)).then((summary) => show(group, summary[group.dataset.facet])));
	}
})();
