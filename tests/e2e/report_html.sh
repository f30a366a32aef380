# report.html in a browser: the page of a short run opens in headless Chromium without a word on its console, its policy holds, filters,
# search, folding and covers work, and what a prompt says stays text. Each check that looks for nothing is shown to find something first.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/common.bash"
browser=$(command -v chromium || command -v chromium-browser || true)
[ -n "$browser" ] || {
	echo "skipped: no chromium here (package chromium)"
	exit 77
}
export HOME=$scratch # what the browser keeps for itself

# chrome OPTIONS PAGE: one headless browser; the console goes to $scratch/console.
chrome() {
	timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
		--user-data-dir="$scratch/browser" --enable-logging=stderr --virtual-time-budget=20000 "$@" 2>"$scratch/log"
	grep "CONSOLE" "$scratch/log" >"$scratch/console" || true
}

# --- the page of a run ---
small_recipe "$scratch/recipe.yaml"
hostile='</script><script>document.title = \"taken over\"</script><img src=x onerror=\"document.title = 1\"><!-- & \u202e \u0001'
echo "{\"instruction\": \"$hostile\", \"prompt_label\": \"vanilla_benign\"}" >>"$scratch/prompts-1.jsonl"
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/run" >/dev/null 2>"$scratch/errors" || fail "the run failed: $(cat "$scratch/errors")"
page=$scratch/run/report.html
grep -q "report: $page" "$scratch/errors" || fail "the run does not say where its page is"
"$THINKSAFE" report "$scratch/run" --html "$scratch/again.html" >"$scratch/out"
[ ! -s "$scratch/out" ] || fail "report --html printed something"
cmp "$page" "$scratch/again.html" || fail "report --html and run write different pages"
"$THINKSAFE" report "$scratch/run" --html - | cmp "$page" - || fail "report --html - writes another page"
status=0
"$THINKSAFE" report "$scratch/run" --html - --json >/dev/null 2>&1 || status=$?
[ $status -eq 2 ] || fail "--html - with --json: exit status $status, expected 2"

# It needs nothing else: no element that loads, no address outside, no import.
outside() {
	sed '/<script type="application\/json"/,/<\/script>/d' "$1" |
		grep -Eio '<(link|img|iframe|object|embed|audio|video|base)[ >]|[a-z]*src=|https?://[^ "]*|url\(|@import|\bimport\(|\bfetch\(|XMLHttp' || true
}
sed 's,</body>,<img src="https://example.org/x.png"></body>,' "$page" >"$scratch/loads.html"
[ -n "$(outside "$scratch/loads.html")" ] || fail "the search for outside addresses finds nothing"
[ -z "$(outside "$page")" ] || fail "the page loads something: $(outside "$page")"

# --- it opens ---
chrome --dump-dom "file://$page" >"$scratch/dom"
[ ! -s "$scratch/console" ] || fail "the console says: $(cat "$scratch/console")"
grep -q 'id="found"[^>]*>91 of 91 rows, 50 shown<' "$scratch/dom" || fail "the browser over samples did not start under the page's policy"
sed 's,</body>,<script>console.log("not allowed")</script></body>,' "$page" >"$scratch/foreign.html"
chrome --dump-dom "file://$scratch/foreign.html" >/dev/null
grep -q "Content Security Policy" "$scratch/console" || fail "a script that the policy does not know was not refused: $(cat "$scratch/console")"
if grep -q "INFO.*not allowed" "$scratch/console"; then fail "it even ran"; fi
chrome --print-to-pdf="$scratch/page.pdf" "file://$page" >/dev/null
[ "$(head -c 5 "$scratch/page.pdf")" = "%PDF-" ] || fail "the page does not print"

# --- it works: a copy whose policy lets the script below in ---
cat >"$scratch/actions.js" <<'JS'
(async function () {
	const lines = [], by = (id) => document.getElementById(id), all = (q) => [...document.querySelectorAll(q)];
	const wait = (ms) => new Promise((done) => setTimeout(done, ms));
	const say = (name, ok, found) => lines.push((ok ? "ok " : "BAD ") + name + (ok ? "" : ": " + found));
	const same = (name, found, expected) => say(name, String(found) === String(expected), found + ", expected " + expected);
	const choose = (id, value) => {
		by(id).value = value;
		by(id).dispatchEvent(new Event("change", { bubbles: true }));
	};
	const search = async (text) => {
		by("f-text").value = text;
		by("f-text").dispatchEvent(new Event("input", { bubbles: true }));
		await wait(400);
	};
	const reset = async () => {
		by("filters").reset();
		await wait(50);
	};
	const found = () => Number(by("found").textContent.split(" ")[0].replace(",", ""));
	const rows = JSON.parse(by("data").textContent).rows, sets = JSON.parse(by("data").textContent).sets;
	const ofSet = (name) => sets.findIndex((s) => s.name === name);
	try {
		same("first page", all("article").length, 50);
		by("more").click();
		same("second page", all("article").length, 91);
		same("nothing more", by("more").hidden, true);

		for (const [name, n] of [["harmful", 20], ["lookalikes", 15], ["sums", 15], ["train", 41]]) {
			choose("f-set", String(ofSet(name)));
			same("set " + name, found(), n);
		}
		choose("f-label", "vanilla_benign");
		same("label", found(), rows.filter((r) => r.label === "vanilla_benign").length);
		await reset();
		same("cleared", found(), 91);
		choose("f-change", "*");
		const changed = rows.filter((r) => r.after && r.after !== r.outcome).length;
		same("changed", found(), changed);
		say("some changed", changed > 0, changed);
		same("marked", all("article .changed").length, changed);
		const moved = rows.find((r) => r.after && r.after !== r.outcome);
		choose("f-set", String(moved.set));
		choose("f-change", moved.outcome + " → " + moved.after);
		same("one kind of change", found(), rows.filter((r) => r.set === moved.set && r.outcome === moved.outcome && r.after === moved.after).length);
		await reset();
		choose("f-outcome", "kept");
		same("kept", found(), rows.filter((r) => r.outcome === "kept").length);
		await reset();
		choose("f-stage", "alpha");
		same("unsteered", found(), 15);
		same("unsteered alone", all("article h4").every((e) => e.textContent === "unsteered"), true);
		await reset();
		choose("f-verdict", "llama_guard: unsafe");
		same("verdict", found(), rows.filter((r) => r.samples.some((s) => s.verdicts.some((v) => v.verdict === "unsafe"))).length);
		await reset();

		const said = (s, judge) => s.verdicts.filter((v) => v.judge === judge).map((v) => v.verdict).join();
		const disputed = rows.filter((r) => r.samples.some((s) => said(s, "strict") !== said(s, "paper")));
		say("graders disagree", disputed.length > 0, disputed.length);
		choose("f-graders", "*");
		same("disagreements", found(), disputed.length);
		choose("f-graders", "strict right, paper wrong");
		same("one way", found(), disputed.filter((r) => r.samples.some((s) => said(s, "strict") === "right" && said(s, "paper") === "wrong")).length);
		await reset();

		choose("f-set", String(ofSet("sums")));
		const word = rows.find((r) => r.set === ofSet("sums")).prompt.split(" ")[0].toLowerCase();
		await search(word);
		const has = (r) => [r.prompt, r.gold, ...r.samples.flatMap((s) => [s.thinking, s.answer])].join("\n").toLowerCase().includes(word);
		same("search", found(), rows.filter((r) => r.set === ofSet("sums") && has(r)).length);
		await search("no response says xyzzyx");
		same("search for nothing", found(), 0);
		await search("<SCRIPT>document");
		await reset();
		await search("<SCRIPT>document");
		same("search for the hostile prompt", found(), 1);
		same("hostile prompt as text", document.querySelector("article .prompt").textContent,
			'<\/script><script>document.title = "taken over"<\/script><img src=x onerror="document.title = 1"><\!-- & <U+202E> \u2401');
		same("no element of it", all("article img, article script").length, 0);
		same("title", document.title, "run - thinksafe");
		await reset();

		choose("f-set", String(ofSet("sums")));
		const fold = document.querySelector("details.thinking");
		same("folded", fold.open, false);
		same("hidden while folded", fold.querySelector(".text").checkVisibility(), false);
		fold.querySelector("summary").click();
		same("unfolded", fold.open && fold.querySelector(".text").checkVisibility(), true);
		say("thinking is there", fold.querySelector(".text").textContent.length > 3, "empty");

		choose("f-set", String(ofSet("lookalikes")));
		same("who says refused", all(".facts").filter((e) => /^(refused|answered) by keyword stand-in/.test(e.textContent)).length, 30);

		choose("f-set", String(ofSet("harmful")));
		const first = document.querySelector("article"), text = rows[0].prompt;
		same("harmful text covered", document.body.innerText.includes(text), false);
		same("all covered", all("article > .covered").length, 20);
		first.querySelector(".reveal").click();
		same("uncovered", first.querySelector(".prompt").textContent, text);
		same("focus on it", document.activeElement === first.querySelector(".prompt"), true);
		choose("f-outcome", "unsafe");
		const unsafe = all("article .sample .reveal").length;
		say("unsafe answers covered", unsafe > 0, unsafe);
		by("f-harmful").click();
		same("all shown", all(".reveal").length, 0);
		await reset();

		const boxes = [...document.querySelector("article .samples").children].map((e) => e.getBoundingClientRect());
		const wide = innerWidth > 700;
		same("before and after", boxes.length, 2);
		same("side by side", boxes[0].top === boxes[1].top && boxes[0].left < boxes[1].left, wide);
		same("no sideways scrolling", document.documentElement.scrollWidth <= innerWidth, true);

		same("names of controls", all("select, input").every((e) => e.labels.length && e.labels[0].textContent.trim()), true);
		same("names of buttons", all("button").every((e) => e.hidden || e.textContent.trim()), true);
		same("links lead somewhere", all("nav a").every((e) => by(e.hash.slice(1))), true);

		const colour = (text) => text.match(/[\d.]+/g).map(Number);
		const light = ([r, g, b]) => [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const ground = (e) => {
			const c = getComputedStyle(e).backgroundColor;
			return /^rgba\(.*, 0\)$/.test(c) ? ground(e.parentElement) : c;
		};
		const contrast = (e) => {
			const a = light(colour(getComputedStyle(e).color)), b = light(colour(ground(e)));
			return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		};
		say("contrast is measured", contrast(document.body) > 12, contrast(document.body));
		let background = getComputedStyle(document.body).backgroundColor;
		const button = by("theme");
		for (const theme of ["light", "dark"]) {
			button.click();
			same("theme", document.documentElement.dataset.theme, theme);
			const low = all("p, th, td, h1, h2, h3, h4, li, label, a, button, summary, figcaption, span, pre, select, .text")
				.filter((e) => e.textContent.trim() && e.checkVisibility() && contrast(e) < 4.5);
			say("contrast, " + theme, !low.length, low.length && low[0].outerHTML.slice(0, 80) + contrast(low[0]));
		}
		say("dark is dark", background !== getComputedStyle(document.body).backgroundColor, background);
		button.click();
		same("theme of the system", document.documentElement.dataset.theme, undefined);
	} catch (e) {
		lines.push("BAD " + e.stack);
	}
	const out = document.createElement("pre");
	out.id = "results";
	out.textContent = "\n" + lines.join("\n") + "\n";
	document.body.append(out);
})();
JS
# with_script FILE: the page with the script at its end, and a policy that allows it. The first answer that both graders call right becomes
# one that strict alone does.
with_script() {
	sed -e "s/script-src '[^']*'/script-src 'unsafe-inline'/" -e '/^<\/body>/d' -e '/^<\/html>/d' \
		-e '0,/"judge":"paper","verdict":"right"/s//"judge":"paper","verdict":"wrong"/' "$page"
	echo "<script>"
	cat "$1"
	echo "</script></body></html>"
}
with_script "$scratch/actions.js" >"$scratch/actions.html"
for size in 1200,900 500,900; do
	chrome --window-size=$size --dump-dom "file://$scratch/actions.html" >"$scratch/dom"
	[ ! -s "$scratch/console" ] || fail "at $size the console says: $(cat "$scratch/console")"
	sed -n '/<pre id="results">/,/<\/pre>/p' "$scratch/dom" | sed '1d;$d' >"$scratch/results"
	[ "$(grep -c '^ok' "$scratch/results")" -ge 45 ] || fail "at $size: $(cat "$scratch/results")"
	if grep -q '^BAD' "$scratch/results"; then fail "at $size: $(grep '^BAD' "$scratch/results")"; fi
	echo "$size: $(grep -c '^ok' "$scratch/results") checks in the browser"
done

# An error in a script is seen.
echo 'document.getElementById("no such element").click();' >"$scratch/broken.js"
with_script "$scratch/broken.js" >"$scratch/broken.html"
chrome --dump-dom "file://$scratch/broken.html" >/dev/null
grep -q "Uncaught TypeError" "$scratch/console" || fail "an error on the page would not be noticed: $(cat "$scratch/log")"

# --- several runs on one page: it opens under the same policy, on a phone too, and loads nothing
"$THINKSAFE" run "$scratch/recipe.yaml" --run "$scratch/second" --seed 7 --quiet >/dev/null 2>"$scratch/errors" || fail "$(cat "$scratch/errors")"
"$THINKSAFE" report "$scratch/run" "$scratch/second" --html "$scratch/two.html" >"$scratch/out"
[ ! -s "$scratch/out" ] || fail "report A B --html printed something"
"$THINKSAFE" report "$scratch/run" "$scratch/second" --html - | cmp "$scratch/two.html" - || fail "report A B --html - writes another page"
[ -z "$(outside "$scratch/two.html")" ] || fail "the page loads something: $(outside "$scratch/two.html")"
grep -q '<th scope="row">seed</th><td>[0-9]*</td><td>7</td>' "$scratch/two.html" || fail "the page does not name the setting that differs"
cat >"$scratch/check.js" <<'JS'
const lines = [], all = (q) => [...document.querySelectorAll(q)];
const same = (name, found, expected) => lines.push((String(found) === String(expected) ? "ok " : "BAD ") + name + ": " + found);
same("dots", all(".scatter .dot").length, DOTS);
same("rings", all(".scatter .ring").length, DOTS);
same("seen", all(".scatter svg").every((e) => e.getBoundingClientRect().height > 100), true);
same("text is readable", all(".scatter text").every((e) => e.getBoundingClientRect().height >= 11), true);
same("no sideways scrolling", document.documentElement.scrollWidth <= innerWidth, true);
same("links lead somewhere", all("nav a").every((e) => document.getElementById(e.hash.slice(1))), true);
const out = document.createElement("pre");
out.id = "results";
out.textContent = "\n" + lines.join("\n") + "\n";
document.body.append(out);
JS
for size in 1200,900 500,900; do
	for of in two.html:2 run/report.html:1; do
		sed -e "s/DOTS/${of#*:}/" "$scratch/check.js" >"$scratch/counted.js"
		page=$scratch/${of%:*}
		with_script "$scratch/counted.js" >"$scratch/checked.html"
		chrome --window-size=$size --dump-dom "file://$scratch/checked.html" >"$scratch/dom"
		[ ! -s "$scratch/console" ] || fail "$of at $size: the console says: $(cat "$scratch/console")"
		[ "$(grep -c '^ok' "$scratch/dom")" -eq 6 ] || fail "$of at $size: $(grep -e '^ok' -e '^BAD' "$scratch/dom")"
	done
done
page=$scratch/run/report.html

# A run that is not finished has no page.
rm "$scratch/run/metrics.json"
status=0
"$THINKSAFE" report "$scratch/run" --html "$scratch/none.html" 2>"$scratch/errors" || status=$?
[ $status -eq 1 ] && grep -q "not finished" "$scratch/errors" && [ ! -e "$scratch/none.html" ] || fail "an unfinished run: $(cat "$scratch/errors")"
