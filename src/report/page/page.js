/* The switch between light and dark, and the browser over samples. Texts reach the page as textContent alone. */
"use strict";
(function () {
	const PAGE = 50;
	const byId = (id) => document.getElementById(id);

	/* An element with a class, a text and children, all of them optional. */
	function make(tag, className, text, ...children) {
		const e = document.createElement(tag);
		if (className) e.className = className;
		if (text !== undefined && text !== null) e.textContent = text;
		e.append(...children.filter(Boolean));
		return e;
	}

	/* --- theme --- */

	/* Storage may be refused, as for files in some browsers; then the choice lives as long as the page. */
	function remember(theme) {
		try {
			localStorage.setItem("thinksafe-theme", theme);
		} catch (e) {
			return;
		}
	}

	function remembered() {
		try {
			return localStorage.getItem("thinksafe-theme");
		} catch (e) {
			return null;
		}
	}

	function startTheme() {
		const button = byId("theme"), themes = ["auto", "light", "dark"];
		function set(theme) {
			if (theme === "auto") document.documentElement.removeAttribute("data-theme");
			else document.documentElement.dataset.theme = theme;
			button.textContent = "Theme: " + theme;
			button.value = theme;
		}
		const known = remembered();
		set(themes.includes(known) ? known : "auto");
		button.hidden = false;
		button.addEventListener("click", () => {
			const next = themes[(themes.indexOf(button.value) + 1) % themes.length];
			set(next);
			remember(next);
		});
	}

	startTheme();

	/* --- samples --- */

	const source = byId("data");
	if (!source) return;
	const data = JSON.parse(source.textContent), rows = data.rows, sets = data.sets;
	const controls = {};
	for (const name of ["set", "stage", "label", "outcome", "change", "verdict", "graders", "text", "harmful"]) controls[name] = byId("f-" + name);
	const STAGES = { before: "before", after: "after", generate: "generated", alpha: "unsteered" };
	let found = [], shown = 0;

	/* What a person reads: "wrong → right", or the training row's one word. */
	const change = (r) => (r.after ? r.outcome + " → " + r.after : "");
	/* "strict right, paper wrong" of an answer on which the two graders disagree. */
	function disagreement(s) {
		const say = (judge) => s.verdicts.filter((v) => v.judge === judge).map((v) => v.verdict)[0];
		const strict = say("strict"), paper = say("paper");
		return strict && paper && strict !== paper ? "strict " + strict + ", paper " + paper : "";
	}
	const number = (n) => n.toLocaleString("en-US");
	const setName = (i) => (sets[i].kind === "train" && sets[i].name === "train" ? "training prompts" : sets[i].name);

	function count(values) {
		const counts = new Map();
		for (const v of values) if (v) counts.set(v, (counts.get(v) || 0) + 1);
		return counts;
	}

	function fill(select, first, entries) {
		select.replaceChildren(new Option(first, ""), ...entries.map(([value, text]) => new Option(text, value)));
		select.parentElement.hidden = !entries.length;
	}

	const counted = (counts, name) => [...counts].map(([v, n]) => [v, (name ? name(v) : v) + " (" + number(n) + ")"]);

	function fillFilters() {
		fill(controls.set, "all", sets.map((s, i) => [String(i), setName(i)]));
		fill(controls.stage, "all", counted(count(rows.flatMap((r) => r.samples.map((s) => s.stage))), (s) => STAGES[s] || s));
		fill(controls.label, "any", counted(count(rows.map((r) => r.label))));
		fill(controls.outcome, "any", counted(count(rows.flatMap((r) => [...new Set([r.outcome, r.after])]))));
		const changes = counted(count(rows.map(change)));
		if (changes.length) changes.unshift(["*", "any that changed (" + number(rows.filter((r) => r.after && r.after !== r.outcome).length) + ")"]);
		fill(controls.change, "any", changes);
		const verdict = (v) => v.judge + ": " + v.verdict;
		fill(controls.verdict, "any", counted(count(rows.flatMap((r) => r.samples.flatMap((s) => s.verdicts.map(verdict))))));
		const disagreements = counted(count(rows.flatMap((r) => r.samples.map(disagreement))));
		if (disagreements.length) disagreements.unshift(["*", "disagree (" + number(rows.filter((r) => r.samples.some(disagreement)).length) + ")"]);
		fill(controls.graders, "any", disagreements);
	}

	function samplesOf(r) {
		return r.samples.filter((s) => !controls.stage.value || s.stage === controls.stage.value);
	}

	function hasText(r, words) {
		r.text = r.text || [r.prompt, r.gold, ...r.samples.flatMap((s) => [s.thinking, s.answer])].join("\n").toLowerCase();
		return words.every((w) => r.text.includes(w));
	}

	function matches(r, words) {
		const c = controls, samples = samplesOf(r);
		if (c.set.value && r.set !== Number(c.set.value)) return false;
		if (c.stage.value && !samples.length) return false;
		if (c.label.value && r.label !== c.label.value) return false;
		if (c.outcome.value && r.outcome !== c.outcome.value && r.after !== c.outcome.value) return false;
		if (c.change.value === "*" && !(r.after && r.after !== r.outcome)) return false;
		if (c.change.value && c.change.value !== "*" && change(r) !== c.change.value) return false;
		if (c.verdict.value && !samples.some((s) => s.verdicts.some((v) => v.judge + ": " + v.verdict === c.verdict.value))) return false;
		if (c.graders.value && !samples.map(disagreement).some((d) => (c.graders.value === "*" ? d : d === c.graders.value))) return false;
		return hasText(r, words);
	}

	/* --- one row --- */

	const trim = (text) => text.replace(/^\s*\n|\s+$/g, "");

	/* A text behind a click. */
	function covered(what, text, className) {
		const box = make("div", "covered"), button = make("button", "reveal", "Show " + what);
		button.type = "button";
		button.addEventListener("click", () => {
			const shownText = make("div", className, text);
			shownText.tabIndex = -1;
			box.replaceWith(shownText);
			shownText.focus();
		});
		box.append(button);
		return box;
	}

	/* Verdicts, the answer that was graded, the length: with dots between. */
	function facts(r, s) {
		const parts = [];
		for (const v of s.verdicts) {
			const p = v.p === undefined ? "" : ", P(unsafe) " + v.p.toFixed(3);
			parts.push(make("span", null, null, make("b", "verdict " + v.verdict, v.verdict), " by " + v.judge + p));
			if (v.detail) parts.push(v.detail);
		}
		const own = s.stage === "before" ? [r.outcome, r.extracted] : s.stage === "after" ? [r.after, r.extractedAfter] : [];
		const judge = sets[r.set].judge;
		if (own[0] && own[0] !== "mixed" && !s.verdicts.length)
			parts.push(make("span", null, null, make("b", "verdict " + own[0], own[0]), judge ? " by " + judge : ""));
		if (own[1] !== undefined) parts.push("answer " + own[1]);
		parts.push(number(s.tokens) + " tokens" + (s.finish === "stop" ? "" : ", cut by " + s.finish));
		return make("p", "facts", null, ...parts.flatMap((part, i) => (i ? [" \u00b7 ", part] : [part])));
	}

	function sampleTitle(r, s) {
		const several = s.stage !== "generate" && r.samples.some((o) => o.stage === s.stage && o.try);
		if (s.stage !== "generate") return (STAGES[s.stage] || s.stage) + (several ? ", sample " + (s.try + 1) : "");
		return "generated" + (s.try ? ", try " + (s.try + 1) : "") + (r.accepted === s.try ? ", kept" : "");
	}

	function sampleBox(r, s) {
		const box = make("div", "sample", null, make("h4", null, sampleTitle(r, s)), facts(r, s));
		const unsafe = r.harmful && s.verdicts.some((v) => v.verdict !== "safe" && v.verdict !== "refusal");
		const hide = unsafe && !controls.harmful.checked;
		if (s.thinking) {
			const note = s.closed ? "Thinking" : "Thinking, never closed";
			box.append(make("details", "thinking", null, make("summary", null, note), make("div", "text", trim(s.thinking))));
		}
		const answer = trim(s.answer);
		if (!answer) box.append(make("p", "muted", "no answer"));
		else if (hide) box.append(covered("answer (" + s.verdicts.map((v) => v.verdict).join(", ") + ")", answer, "text"));
		else box.append(make("div", "text", answer));
		return box;
	}

	function rowBox(r) {
		const title = make("h3", null, null, make("span", "where", setName(r.set) + " " + r.row));
		if (r.label) title.append(make("span", "label", r.label));
		title.append(make("span", r.after && r.after !== r.outcome ? "outcome changed" : "outcome", change(r) || r.outcome));
		const box = make("article", null, null, title);
		if (r.harmful && !controls.harmful.checked) box.append(covered("harmful prompt", r.prompt, "text prompt"));
		else box.append(make("div", "text prompt", r.prompt));
		if (r.gold !== undefined) box.append(make("p", "facts", "right answer: " + r.gold));
		box.append(make("div", "samples", null, ...samplesOf(r).map((s) => sampleBox(r, s))));
		return box;
	}

	/* --- the list --- */

	function showMore() {
		const list = byId("list"), more = byId("more"), next = found.slice(shown, shown + PAGE);
		list.append(...next.map(rowBox));
		shown += next.length;
		more.hidden = shown >= found.length;
		more.textContent = "Show " + Math.min(PAGE, found.length - shown) + " more";
		byId("found").textContent = number(found.length) + " of " + number(rows.length) + " rows" +
			(found.length > shown ? ", " + number(shown) + " shown" : "");
	}

	function update() {
		const words = controls.text.value.toLowerCase().split(/\s+/).filter(Boolean);
		found = rows.filter((r) => matches(r, words));
		shown = 0;
		byId("list").replaceChildren();
		showMore();
	}

	fillFilters();
	const form = byId("filters");
	form.hidden = false;
	let timer;
	controls.text.addEventListener("input", () => {
		clearTimeout(timer);
		timer = setTimeout(update, 150);
	});
	form.addEventListener("change", (event) => {
		if (event.target !== controls.text) update();
	});
	form.addEventListener("submit", (event) => event.preventDefault());
	form.addEventListener("reset", () => setTimeout(update));
	byId("more").addEventListener("click", showMore);
	update();
})();
