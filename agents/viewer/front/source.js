// --- Where trajectories come from. A source has `detail(number)` -> { detail, words }, `image(sha256)` -> an
// --- address, and `follow(add, tell)`, which gives rows that come later and tells how the connection is.

const RUN = JSON.parse($("#run").textContent);
const KEPT = 64; // details, or chunks of them, that are kept in memory
const POLL_MS = 2000, RETRY_MS = 4000;

const SOURCES = { embedded: embeddedSource, folder: folderSource, live: liveSource };

/** Everything is in the page. */
function embeddedSource() {
  const vocabulary = JSON.parse($("#vocabulary").textContent);
  return {
    detail: async (number) => ({ detail: JSON.parse($(`#detail-${number}`).textContent), words: vocabulary }),
    image: (sha256) => document.getElementById(`image-${sha256}`)?.textContent ?? "",
    follow: () => {},
  };
}

/** Details are in chunks beside the page, images in the run's folder. Scripts, because a file may not fetch. */
function folderSource() {
  const waiting = new Map();
  const address = (number) => `${RUN.chunks}/${number}.js`;
  const policy = globalThis.trustedTypes?.createPolicy("chunks", { createScriptURL: address });
  globalThis.deepeyesChunk = (number, packed) => waiting.get(number)?.(unpacked(packed));
  const chunk = kept((number) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    waiting.set(number, resolve);
    script.onerror = () => reject(new Error(`${address(number)} is missing: the page must lie beside its folders`));
    script.src = policy ? policy.createScriptURL(number) : address(number);
    document.head.append(script);
    script.onload = () => { waiting.delete(number); script.remove(); };
  }));
  return {
    detail: async (number) => {
      const { details, words } = await chunk(Math.floor(number / RUN.chunk_size));
      return { detail: details[number % RUN.chunk_size], words };
    },
    image: (sha256) => `images/${sha256}`,
    follow: () => {},
  };
}

async function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

/** A server has everything, and more as the run grows. */
function liveSource() {
  return {
    detail: kept((number) => asked(`trajectories/${number}`)),
    image: (sha256) => `images/${sha256}`,
    follow: async (add, tell) => {
      let name = null, after = 0;
      while (true) {
        let wait = POLL_MS;
        try {
          const answer = await asked(`rows?after=${after}`);
          if (name !== null && answer.run !== name && after > 0) return location.reload();
          name = answer.run;
          after += answer.rows.length;
          if (answer.rows.length) add(answer.rows);
          tell(after < answer.total ? "reading" : "live");
          if (after < answer.total) wait = 0;
        } catch (error) {
          tell("lost", error.message);
          wait = RETRY_MS;
        }
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    },
  };
}

async function asked(address) {
  const response = await fetch(address);
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({}));
    throw new Error(detail ?? `the server answered ${response.status}`);
  }
  return response.json();
}

/** Remembers what `load` gave for the last `KEPT` arguments, failures excepted. */
function kept(load) {
  const known = new Map();
  return (key) => {
    const value = known.get(key) ?? load(key);
    known.delete(key);
    known.set(key, value);
    value.catch(() => known.delete(key));
    if (known.size > KEPT) known.delete(known.keys().next().value);
    return value;
  };
}

const source = SOURCES[RUN.source]();
