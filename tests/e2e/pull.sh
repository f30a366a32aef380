# thinksafe pull against a hub of our own (hub_server.c): what is fetched, resumed, retried, refused, and what lies in the cache afterwards;
# and models found there by their hub id.
set -euo pipefail
. "$TS_SOURCE_DIR/tests/e2e/bad.bash"
: "${TS_HUB_SERVER:?the built hub_server.c}"
for name in $(compgen -e | grep -iE '^(HF_|HUGGING|TRANSFORMERS_OFFLINE|XDG_CACHE_HOME)|_proxy$' || true); do
	unset "$name"
done
export HOME=$scratch/home HF_HUB_CACHE=$scratch/cache

# --- the hub and what it holds
hub=$scratch/hub
mkdir -p "$HOME" "$hub/org"
cp -r "$testbed/student" "$hub/org/student"
cp -r "$testbed/guard" "$hub/org/guard"
student=$hub/org/student
for file in README.md pytorch_model.bin consolidated.safetensors model.onnx merges.txt; do
	echo "$file" >"$student/$file"
done
mkdir "$student/onnx"
cp "$student/model.safetensors" "$student/onnx/model.safetensors"
cp -r "$student" "$hub/org/student@v2"
sed -i 's/^{/{ /' "$hub/org/student@v2/config.json"
mkdir "$hub/org/shards" "$hub/org/gguf" "$hub/org/adapter" "$hub/org/old"
for i in 1 2; do
	head -c 300000 /dev/zero | tr '\0' $i >"$hub/org/shards/model-0000$i-of-00002.safetensors"
	echo "GGUF$i" >"$hub/org/gguf/m-Q$i.gguf"
done
cp "$student/config.json" "$student/tokenizer.json" "$student/tokenizer_config.json" "$hub/org/shards"
echo '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}' >"$hub/org/shards/model.safetensors.index.json"
echo '{}' | tee "$hub/org/adapter/adapter_config.json" >"$hub/org/old/config.json"
echo w | tee "$hub/org/adapter/adapter_model.safetensors" >"$hub/org/old/pytorch_model.bin"

"$TS_HUB_SERVER" "$hub" "$scratch/log" >"$scratch/ports" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$scratch"' EXIT
until [ -s "$scratch/ports" ]; do
	kill -0 $server 2>/dev/null || fail "the hub does not start"
	sleep 0.05
done
read -r port store <"$scratch/ports"
export HF_ENDPOINT=http://127.0.0.1:$port
large=model.safetensors

# with FAULTS COMMAND...: the hub misbehaves so.
with() {
	local faults=$1
	shift
	HF_ENDPOINT=http://127.0.0.1:$port/~$faults "$@"
}
# pulled ARGUMENT...: it does; what it says is in `path`, `errors` and the log of the hub's requests.
pulled() {
	: >"$scratch/log"
	path=$(timeout 120 "$THINKSAFE" pull "$@" 2>"$scratch/errors") || fail "pull $*: status $?: $(tail -n 5 "$scratch/errors")"
}
# unpulled PHRASE... -- ARGUMENT...: it fails, says so, and no file has got its name.
unpulled() {
	local arguments=()
	while [ "$1" != -- ]; do
		arguments+=("$1")
		shift
	done
	: >"$scratch/log"
	refused "${arguments[@]}" -- pull "${@:2}"
	[ -z "$(find "$HF_HUB_CACHE" -name refs 2>/dev/null)" ] || fail "pull ${*:2}: failed, and left a ref"
}
said() {
	grep -qF -- "$1" "$scratch/errors" || fail "\"$1\" is not in: $(cat "$scratch/errors")"
}
asked() { # COUNT PATTERN: so many requests of the log
	local n
	n=$(grep -c -- "$2" "$scratch/log" || true)
	[ "$n" = "$1" ] || fail "$n requests are \"$2\", expected $1: $(cat "$scratch/log")"
}
fresh() {
	rm -rf "$HF_HUB_CACHE"
}
git_hash() {
	{ printf 'blob %d\0' "$(wc -c <"$1")" && cat "$1"; } | sha1sum | cut -d ' ' -f 1
}
sha256() {
	sha256sum "$1" | cut -d ' ' -f 1
}
blobs=$HF_HUB_CACHE/models--org--student/blobs
part=$blobs/$(sha256 "$student/$large").incomplete
# whole FOLDER [NAME]: the snapshot holds what a model needs of the hub's folder, under the right hashes, and nothing else.
whole() {
	local file target
	[ -n "$path" ] && [ "$path" = "$(ls -d "$HF_HUB_CACHE/models--org--${2:-student}/snapshots/"*)" ] || fail "the path is $path"
	for file in "$path"/*; do
		target=$(readlink "$file") || fail "$file is no link"
		cmp -s "$file" "$1/${file##*/}" || fail "$file has another content"
		case $file in
		*.safetensors) [ "$target" = "../../blobs/$(sha256 "$file")" ] || fail "$file leads to $target" ;;
		*) [ "$target" = "../../blobs/$(git_hash "$file")" ] || fail "$file leads to $target" ;;
		esac
	done
	[ "$(cat "$path/../../refs/main")" = "${path##*/}" ] || fail "refs/main is $(cat "$path/../../refs/main")"
	[ -z "$(find "$HF_HUB_CACHE" -name '*.incomplete' -o -name '*.tmp')" ] || fail "left over: $(find "$HF_HUB_CACHE" -name '*.incomplete' -o -name '*.tmp')"
}
needed="chat_template.jinja config.json generation_config.json merges.txt $large tokenizer.json tokenizer_config.json"

# --- the plan, and a plain download
: >"$scratch/log"
"$THINKSAFE" pull org/student --dry-run >"$scratch/out" 2>"$scratch/errors" || fail "--dry-run"
grep -q "^7 files, .* to fetch into $HF_HUB_CACHE" "$scratch/out" && grep -q "^  $large  *1.1 MB$" "$scratch/out" || fail "the plan: $(cat "$scratch/out")"
[ ! -e "$HF_HUB_CACHE" ] || fail "a plan writes"
asked 0 ' GET .*resolve'
pulled org/student
whole "$student"
[ "$(ls "$path" | tr '\n' ' ')" = "$needed " ] || fail "it fetched $(ls "$path")"
asked 7 'hub GET .*resolve'
asked 1 'store GET'
asked 0 'token=yes'
said "to fetch into"
pulled org/student
asked 0 ' GET .*resolve'
said "nothing to fetch"
pulled org/student --quiet
[ ! -s "$scratch/errors" ] || fail "--quiet says $(cat "$scratch/errors")"
pulled org/student --json
for words in '"repository":"org/student"' '"revision":"main"' "\"path\":\"$HF_HUB_CACHE/models--org--student/snapshots/" \
	"{\"file\":\"$large\",\"bytes\":$(wc -c <"$student/$large"),\"sha256\":\"$(sha256 "$student/$large")\",\"state\":\"cached\"" \
	"\"git_sha1\":\"$(git_hash "$student/config.json")\""; do
	case $path in *"$words"*) ;; *) fail "--json lacks $words: $path" ;; esac
done

# --- found without a network, and used
unset HF_ENDPOINT
printf '{"text":"Hello"}\n' >"$scratch/row"
"$THINKSAFE" tokenize --model org/student --in "$scratch/row" >"$scratch/found" 2>"$scratch/errors" || fail "tokenize: $(cat "$scratch/errors")"
"$THINKSAFE" tokenize --model "$student" --in "$scratch/row" | cmp -s - "$scratch/found" || fail "other ids from the cache"
said "org/student: commit $(cut -c 1-12 "$HF_HUB_CACHE/models--org--student/refs/main")"
refused "org/none: no such checkpoint folder" "$HF_HUB_CACHE does not hold org/none" "thinksafe pull org/none" -- score --model org/none --in "$scratch/row"
refused "does not hold org/student@v2 (other revisions are there)" "pull org/student@v2" -- score --model org/student@v2 --in "$scratch/row"
refused "no such adapter folder" "pull org/lora" -- score --model org/student --adapter org/lora --in "$scratch/row"
refused "no such checkpoint" "pull org/judge" -- judge --guard org/judge --in "$scratch/row"
refused "no such checkpoint folder or GGUF file" -- score --model "$scratch/none" --in "$scratch/row"
(cd "$hub" && "$THINKSAFE" tokenize --model org/student --in "$scratch/row" 2>&1 >/dev/null | grep -q cache) && fail "a folder that is there is looked up in the cache"

# A run says its models by id; where the cache lies is not part of it.
export HF_ENDPOINT=http://127.0.0.1:$port
pulled org/guard
small_recipe "$scratch/recipe.yaml"
run "$scratch/local" || fail "run: $(cat "$scratch/errors")"
sed -i 's|^model:.*|model: org/student|; s|^guard:.*|guard: org/guard|' "$scratch/recipe.yaml"
run "$scratch/cached" || fail "run with hub ids: $(cat "$scratch/errors")"
cmp "$scratch/local/adapter/adapter_model.safetensors" "$scratch/cached/adapter/adapter_model.safetensors" || fail "another adapter from the cache"
grep -q '"base_model_name_or_path": "org/student"' "$scratch/cached/adapter/adapter_config.json" || fail "the adapter's base is not org/student"
grep -q '"model": "org/student"' "$scratch/cached/metrics.json" || fail "metrics.json does not name org/student"
! grep -rq "$HF_HUB_CACHE" "$scratch/cached/metrics.json" "$scratch/cached/recipe.yaml" "$scratch/cached/train.jsonl" || fail "the cache's place is in the run"
was=$(digest "$scratch/cached")
mv "$HF_HUB_CACHE" "$scratch/elsewhere"
rm "$scratch/cached/metrics.json"
HF_HUB_CACHE=$scratch/elsewhere run "$scratch/cached" || fail "resumed with the cache elsewhere: $(cat "$scratch/errors")"
[ "$(digest "$scratch/cached")" = "$was" ] || fail "other bytes with the cache elsewhere"
refused "model: org/student: no such" "thinksafe pull org/student" -- run "$scratch/recipe.yaml" --run "$scratch/none" --quiet
[ ! -e "$scratch/none" ] || fail "a run without its model leaves a folder"
"$THINKSAFE" run "$scratch/recipe.yaml" --print-recipe | grep -qx "model: org/student" || fail "--print-recipe wants the model"
head -n 4 "$scratch/cached/train.jsonl" >"$scratch/rows"
HF_HUB_CACHE=$scratch/elsewhere "$THINKSAFE" train --model org/student --in "$scratch/rows" --out "$scratch/lora" --epochs 1 --warmup 0 --quiet >/dev/null 2>"$scratch/errors" || fail "train: $(cat "$scratch/errors")"
grep -q '"base_model_name_or_path": "org/student"' "$scratch/lora/adapter_config.json" || fail "train writes another base"
rm -rf "$scratch/elsewhere"

# --- which files
pulled org/shards
whole "$hub/org/shards" shards
[ "$(ls "$path" | grep -c safetensors)" = 3 ] || fail "of the shards it fetched $(ls "$path")"
pulled org/adapter
[ "$(ls "$path" | tr '\n' ' ')" = "adapter_config.json adapter_model.safetensors " ] || fail "of the adapter it fetched $(ls "$path")"
unset_ref() { find "$HF_HUB_CACHE" -name refs -prune -exec rm -r {} +; }
unset_ref
unpulled "holds no safetensors but 2 GGUF files" "m-Q1.gguf" "--file NAME" -- org/gguf
unpulled "holds no safetensors" "pytorch_model.bin" -- org/old
unpulled "has no file \"m.gguf\"" "m-Q2.gguf" -- org/gguf --file m.gguf
pulled org/gguf --file m-Q1.gguf
[ "${path##*/}" = m-Q1.gguf ] && cmp -s "$path" "$hub/org/gguf/m-Q1.gguf" || fail "--file gives $path"
refused "models--org--gguf/snapshots" "m-Q1.gguf: " -- tokenize --model org/gguf --in "$scratch/row" # found, and no GGUF file
pulled org/gguf:m-Q2.gguf
refused "2 GGUF files" "org/gguf:m-Q1.gguf" -- tokenize --model org/gguf --in "$scratch/row"
refused "snapshots" "m-Q2.gguf: " -- tokenize --model org/gguf:m-Q2.gguf --in "$scratch/row"
refused "(other files are there)" "thinksafe pull org/gguf:m-Q3.gguf" -- tokenize --model org/gguf:m-Q3.gguf --in "$scratch/row"
pulled org/student --file README.md --file onnx/model.safetensors
[ "$(readlink "$path/onnx/model.safetensors")" = "../../../blobs/$(sha256 "$student/$large")" ] || fail "a nested link: $(readlink "$path/onnx/model.safetensors")"
pulled org/student@v2
cmp -s "$path/config.json" "$hub/org/student@v2/config.json" && [ "$(cat "$path/../../refs/v2")" = "${path##*/}" ] || fail "revision v2"
was=$path
pulled org/student --revision "${was##*/}"
[ "$path" = "$was" ] && [ "$(ls "$path/../../refs")" = "$(printf 'main\nv2')" ] || fail "a commit as revision: $path, $(ls "$path/../../refs")"
"$THINKSAFE" tokenize --model org/student@v2 --in "$scratch/row" >/dev/null 2>&1 || fail "--model org/student@v2"

# --- names that lead out of the cache
fresh
with evil=api unpulled "../../evil" "outside" -- org/student
echo '{"weight_map": {"a": "../../../../evil.safetensors"}}' >"$scratch/index"
cp -r "$hub/org/shards" "$hub/org/evil"
cp "$scratch/index" "$hub/org/evil/model.safetensors.index.json"
unpulled "evil.safetensors" "no file of a repository" -- org/evil
sed -i 's|\.\./.*evil|evil|' "$hub/org/evil/model.safetensors.index.json"
unpulled "evil.safetensors, which the repository lacks" -- org/evil
echo '[' >"$hub/org/evil/model.safetensors.index.json"
unpulled "model.safetensors.index.json: " "expected JSON" -- org/evil
[ ! -e "$HF_HUB_CACHE" ] || fail "refused names leave $(find "$HF_HUB_CACHE")"

# --- wrong usage
wrong() {
	local status=0
	"$THINKSAFE" pull "${@:2}" >"$scratch/out" 2>"$scratch/errors" || status=$?
	[ $status -eq 2 ] && [ ! -s "$scratch/out" ] || fail "pull ${*:2}: status $status"
	said "$1"
}
wrong "expected one argument"
wrong "expected one argument" org/a org/b
wrong "expected ORG/NAME" student
wrong "expected ORG/NAME" org/student/x
wrong "expected ORG/NAME" ../student
wrong "expected ORG/NAME" 'org/stu dent'
wrong "is no revision" org/student@../x
wrong "is no file" org/student:../../x
wrong "is no file" org/student --file ../../x
wrong "given twice" org/student@v2 --revision main
wrong "given twice" org/gguf:m-Q1.gguf --file m-Q2.gguf
wrong "--timeout" org/student --timeout 0
wrong "--retries" org/student --retries 9999

# --- who may read
with gated=resolve unpulled "401" "gated" "HF_TOKEN" "/settings/tokens" -- org/student
HF_TOKEN=other with gated=resolve unpulled "403" "gated" "accept its conditions" -- org/student
with private=org unpulled "401" "no such repository, or it is private or gated" -- org/student
HF_TOKEN=other with private=org unpulled "no such repository, or the account may not see it (404)" -- org/student
HF_TOKEN=$'two\nlines' unpulled "HF_TOKEN: no token" -- org/student
said "HF_TOKEN" && ! grep -q two "$scratch/errors" || fail "the token is shown"
HF_TOKEN=secret with private=org pulled org/student
whole "$student"
asked 1 'store GET .*token=no'
asked 0 'hub.*token=no'
said "without encryption"
fresh
# another name on the same port is another host
HF_TOKEN=secret with otherhost=api pulled org/student
whole "$student"
[ "$(grep -c 'hub GET /api.*token=yes' "$scratch/log")" = "$(grep -c 'hub GET /api.*token=no' "$scratch/log")" ] ||
	fail "a redirect to another host took the token along: $(cat "$scratch/log")"
fresh
echo secret >"$scratch/token"
HF_TOKEN_PATH=$scratch/token with gated=org pulled org/student
fresh
mkdir -p "$scratch/hf"
printf '  secret\r\n' >"$scratch/hf/token"
HF_HOME=$scratch/hf with gated=org pulled org/student
! grep -rqs secret "$HF_HUB_CACHE" || fail "the token is in the cache"
fresh
unpulled "no such repository" "401" -- org/none
HF_TOKEN=secret unpulled "org/none: $HF_ENDPOINT has no such repository" "404" -- org/none
unpulled "org/student@v9: the repository has no such revision" -- org/student@v9

HF_TOKEN_PATH=$scratch/none with gated=resolve unpulled "the file that HF_TOKEN_PATH names" -- org/student

# --- where the cache is
check_place() { # FOLDER VARIABLE=VALUE...
	local folder=$1
	shift
	path=$(env -u HF_HUB_CACHE "$@" "$THINKSAFE" pull org/adapter --quiet 2>"$scratch/errors") || fail "pull with $*"
	[ "$path" = "$folder/models--org--adapter/snapshots/${path##*/}" ] || fail "with $* it goes to $path"
}
check_place "$HOME/.cache/huggingface/hub" X=1
check_place "$scratch/xdg/huggingface/hub" XDG_CACHE_HOME="$scratch/xdg"
check_place "$scratch/hf/hub" XDG_CACHE_HOME="$scratch/xdg" HF_HOME="$scratch/hf"
check_place "$HOME/hf/hub" HF_HOME="~/hf"
check_place "$scratch/named" HF_HOME="$scratch/hf" HF_HUB_CACHE="$scratch/named"
env -u HF_HUB_CACHE -u HOME "$THINKSAFE" pull org/adapter >"$scratch/out" 2>"$scratch/errors" && fail "a cache without a home"
said "HOME is not set"
pulled org/adapter --cache "$scratch/option"
[ -d "$scratch/option/models--org--adapter" ] || fail "--cache: $path"

# --- no network wanted
pulled org/student
was=$path
for words in HF_HUB_OFFLINE=1 HF_HUB_OFFLINE=yes TRANSFORMERS_OFFLINE=TRUE; do
	: >"$scratch/log"
	[ "$(env $words "$THINKSAFE" pull org/student 2>/dev/null)" = "$was" ] && [ ! -s "$scratch/log" ] || fail "$words: $(cat "$scratch/log")"
done
HF_HUB_OFFLINE=1 refused "HF_HUB_OFFLINE is set" "does not hold org/guard" -- pull org/guard
HF_HUB_OFFLINE=1 "$THINKSAFE" tokenize --model org/student --in "$scratch/row" >/dev/null 2>&1 || fail "offline, --model"
rm "$was/$large"
HF_HUB_OFFLINE=1 refused "HF_HUB_OFFLINE is set" "holds no weights" -- pull org/student
refused "holds no weights" "thinksafe pull org/student" -- score --model org/student --in "$scratch/row"
refused "model: " "holds no weights" "thinksafe pull org/student" -- run "$scratch/recipe.yaml" --run "$scratch/none" --quiet
pulled org/student # the link alone was missing
asked 0 ' GET .*resolve'
whole "$student"

# --- damage on this side
echo damaged >"$path/config.json" # written through the link: another size
cp "$student/$large" "$scratch/flip"
printf X | dd of="$(readlink -f "$path/$large")" bs=1 seek=5000 conv=notrunc 2>/dev/null
pulled org/student
asked 1 ' GET .*resolve.*config.json'
asked 0 'store GET'
pulled org/student --check
said "what is in the cache is damaged"
whole "$student"

# --- cuts: it goes on where it was
fresh
with cut=$large:400000:2 pulled org/student
whole "$student"
asked 1 'store GET .*range=-'
asked 1 'store GET .*range=bytes=400000-'
asked 1 'store GET .*range=bytes=800000-'
said "after 400000 of"
said "try 2 of 6 in 1 s"
fresh
with cut=tokenizer.json:100:1 pulled org/student # a small file, from the hub itself
whole "$student"
fresh
with cut=$large:0 unpulled "given up after 2 tries" "after 0 of" -- org/student --retries 1
with cut=$large:300000:1 unpulled "org/student: model.safetensors: after 300000 of" -- org/student --retries 0
[ "$(wc -c <"$part")" = 300000 ] || fail "the part is not kept"
pulled org/student
said "goes on after 300000 of"
asked 1 'store GET .*range=bytes=300000-'
whole "$student"

# --- killed, stopped
# under_way: starts a slow download in the background, and returns when a part is there.
under_way() {
	fresh
	: >"$scratch/log"
	HF_ENDPOINT=http://127.0.0.1:$port/~pace=$large:30000 "$THINKSAFE" pull org/student >/dev/null 2>"$scratch/errors" &
	puller=$!
	until [ -s "$part" ] && [ "$(wc -c <"$part")" -gt 100000 ]; do
		kill -0 $puller 2>/dev/null || fail "the download ended: $(cat "$scratch/errors")"
		sleep 0.02
	done
}
under_way
{ kill -9 $puller && wait $puller; } 2>/dev/null || true
size=$(wc -c <"$part")
[ ! -e "$HF_HUB_CACHE/models--org--student/refs/main" ] || fail "a killed download leaves a ref"
pulled org/student
asked 1 "store GET .*range=bytes=$size-"
whole "$student"
for signal in INT TERM; do
	under_way
	kill -$signal $puller
	status=0
	wait $puller || status=$?
	[ $status -eq 3 ] || fail "SIG$signal: status $status, expected 3: $(cat "$scratch/errors")"
	said "stopped: what has arrived is kept"
	pulled org/student
	said "goes on after"
	whole "$student"
done

# --- two at once
under_way
said=$("$THINKSAFE" pull org/student --json 2>"$scratch/second") || fail "the second download: $(cat "$scratch/second")"
case $said in *'"bytes_fetched":0,'*) ;; *) fail "the second says that it fetched: $said" ;; esac
path=$(ls -d "$HF_HUB_CACHE"/models--org--student/snapshots/*)
wait $puller || fail "the first download: $(cat "$scratch/errors")"
grep -q "another program is downloading org/student" "$scratch/second" || fail "the second does not wait: $(cat "$scratch/second")"
asked 1 'store GET'
whole "$student"

# --- ranges that are ignored, unknown or others
resume_with() { # FAULT: 500000 bytes are there
	fresh
	mkdir -p "$blobs"
	head -c 500000 "$student/$large" >"$part"
	with "$1=$large" pulled org/student
	whole "$student"
}
resume_with norange
said "the server does not resume; from the start"
fresh
mkdir -p "$blobs"
head -c 500000 "$student/$large" >"$part"
with shift=$large unpulled "expected the bytes from 500000 on" "bytes 499999-" -- org/student
fresh
mkdir -p "$blobs"
head -c 500000 "$student/$large" >"$part"
with badrange=$large pulled org/student
said "does not know the part that is there"
whole "$student"
fresh
mkdir -p "$blobs"
head -c 500000 /dev/zero >"$part" # of something else
pulled org/student
said "does not belong to it; from the start"
whole "$student"
fresh
mkdir -p "$blobs"
cat "$student/$large" "$student/$large" >"$part" # too long
pulled org/student
whole "$student"
fresh
mkdir -p "$blobs"
cp "$student/$large" "$part" # all there but the name
pulled org/student
asked 0 'store GET'
whole "$student"

# --- servers that are busy, and those that stay so
fresh
with status=api:503:2 pulled org/student
said "answers 503"
said "try 3 of 6 in 2 s"
fresh
with later=HEAD:1:1 pulled org/adapter
said "answers 429"
fresh
with status=$large:500:1 pulled org/student # hub and store, each once
whole "$student"
fresh
with status=api:503 unpulled "org/student: " "answers 503: no; given up after 2 tries" -- org/student --retries 1
with later=api:4000 unpulled "asks to come back in 4000 seconds" -- org/student
with limit=api:5000 unpulled "asks to come back in 5000 seconds" -- org/student
with status=api:418 unpulled "answers 418: no" -- org/student
asked 1 'GET /api'
with status=resolve:404 unpulled "404" -- org/student

# --- content that is not what it should be
for file in $large tokenizer.json; do
	fresh
	hash=$([ $file = $large ] && sha256 "$student/$file" || git_hash "$student/$file")
	with wrong=$file unpulled "$file: wrong content, removed: expected" "$hash" "found" -- org/student
	[ -z "$(find "$HF_HUB_CACHE" -name "$hash" -o -name '*.incomplete')" ] || fail "wrong content stays"
	[ ! -e "$HF_HUB_CACHE/models--org--student/snapshots" ] || [ -z "$(find "$HF_HUB_CACHE" -name "$file")" ] || fail "wrong content has a link"
done
fresh
with html=api unpulled "expected JSON from a hub, found text/html" "HF_ENDPOINT" -- org/student
with html=HEAD unpulled "expected a hash as ETag" -- org/student
with noetag=HEAD unpulled "expected a hash as ETag" -- org/student
with nosize=$large unpulled "does not say how large" -- org/student
# what is there already survives a login page
mkdir -p "$blobs"
head -c 500000 "$student/$large" >"$part"
with "html=GET&$large" unpulled "$large: " "expected the file, found a page (text/html)" -- org/student
[ "$(wc -c <"$part")" = 500000 ] || fail "a login page costs the part that is there"
with "page=GET&$large" unpulled "given up after 3 tries" "the answer ended after 72 of" -- org/student --retries 2
pulled org/student
whole "$student"
fresh
with "longer=GET&$large:100" unpulled "bytes, found an answer of" -- org/student
with "endless=GET&$large" unpulled "sends more than the" "bytes that the hub announced" -- org/student
pulled org/student
whole "$student"
fresh
with relative=tokenizer pulled org/student
asked 2 'hub GET /small/'
whole "$student"

# --- servers that lead nowhere
fresh
with loop=api unpulled "redirects without end" -- org/student
asked 11 'GET /api'
with loop=$large unpulled "redirects without end" -- org/student
with elsewhere=api unpulled "nowhere.invalid" "the host's address was not found" -- org/student
HF_ENDPOINT=http://nowhere.invalid unpulled "the host's address was not found" -- org/student
HF_ENDPOINT=http://127.0.0.1:1 unpulled "127.0.0.1" -- org/student
HF_ENDPOINT=https://127.0.0.1:$port unpulled "no TLS connection came about" -- org/student
# tls ARGUMENT...: openssl serves https at $tls_port with a certificate of localhost that it made itself.
tls() {
	: >"$scratch/tls" # what the one before said
	openssl s_server -accept 127.0.0.1:0 -key "$scratch/key" -cert "$scratch/certificate" "$@" >"$scratch/tls" 2>/dev/null &
	tls=$!
	until grep -q '^ACCEPT' "$scratch/tls"; do
		kill -0 $tls 2>/dev/null || fail "openssl s_server does not start"
		sleep 0.05
	done
	tls_port=$(sed -n 's/^ACCEPT.*://p' "$scratch/tls")
}
end_tls() {
	{ kill $tls && wait $tls; } 2>/dev/null || true
}
if command -v openssl >/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -keyout "$scratch/key" -out "$scratch/certificate" -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null; then
	tls -www
	HF_TOKEN=secret HF_ENDPOINT=https://localhost:$tls_port unpulled "certificate" "ca-certificates" -- org/student
	end_tls
else
	echo "skipped: openssl is not installed, so no certificate was refused"
fi
# In a place of its own, where that certificate is the system's: https that leads to http is not followed, with a token or without.
system=/etc/ssl/certs/ca-certificates.crt
if [ -s "$scratch/certificate" ] && unshare -rm mount --bind "$scratch/certificate" $system 2>/dev/null; then
	printf '#!/bin/sh\nmount --bind "%s" %s && exec "%s" "$@"\n' "$scratch/certificate" $system "$THINKSAFE" >"$scratch/trusting"
	chmod +x "$scratch/trusting"
	mkdir -p "$scratch/www/api/models/org/student/revision"
	printf 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%s/api/models/org/student/revision/main\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$port" \
		>"$scratch/www/api/models/org/student/revision/main"
	for token in secret ''; do
		: >"$scratch/log"
		(cd "$scratch/www" && tls -HTTP && status=0
			HF_TOKEN=$token HF_ENDPOINT=https://localhost:$tls_port unshare -rm "$scratch/trusting" pull org/student --retries 0 >"$scratch/errors" 2>&1 || status=$?
			end_tls
			[ $status -eq 1 ]) || fail "https that leads to http: $(cat "$scratch/errors")"
		said "it redirects from https to http, which is refused"
		asked 0 GET
	done
else
	echo "skipped: https that leads to http (no openssl, no $system, or no right to mount here)"
fi
HF_ENDPOINT=ftp://127.0.0.1 unpulled "HF_ENDPOINT: expected an address with http" -- org/student
http_proxy=http://127.0.0.1:1 HF_ENDPOINT=http://hub.invalid unpulled "127.0.0.1" -- org/student # the proxy is asked, not the host
with "trickle=GET&$large:1000" unpulled "given up after 2 tries" "silent or too slow" -- org/student --timeout 1 --retries 1
[ "$(wc -c <"$part")" -ge 1000 ] || fail "what trickled in is not kept"

# --- disks
fresh
status=0
(ulimit -f 300 && "$THINKSAFE" pull org/student >/dev/null 2>"$scratch/errors") || status=$?
[ $status -eq 1 ] || fail "a file over the limit: status $status"
said "$large: cannot write $part: File too large"
pulled org/student
said "goes on after 307200 of"
whole "$student"
disk=$scratch/disk
mkdir "$disk"
if mount -t tmpfs -o size=1m tmpfs "$disk" 2>/dev/null; then
	trap 'kill $server 2>/dev/null || true; umount "$disk" 2>/dev/null || true; rm -rf "$scratch"' EXIT
	refused "org/student: $disk/cache has room for" "MB, expected 1.2 MB" -- pull org/student --cache "$disk/cache"
	[ ! -e "$disk/cache" ] || fail "too small a disk is written to"
	umount "$disk"
else
	echo "skipped: a disk without room (no right to mount a small file system here)"
fi
# --- silence, at last: it keeps the hub's only thread for as long
fresh
with silent=api:60000 unpulled "silent or too slow" -- org/student --timeout 1 --retries 0
echo "pull: $count refusals"
