// --- Colours for Python and JSON: comments, strings, numbers, keywords, builtins, what is defined. --------
// A look at a cell, not a parser: every alternative takes time in proportion to what it takes.

const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from global "
  + "if import in is lambda match nonlocal not or pass raise return try while with yield true false null").split(" "));
const BUILTINS = new Set(("abs all any bool bytes chr dict dir display enumerate filter float format getattr hasattr input int isinstance len list "
  + "map max min next object open ord print range repr reversed round set sorted str sum super tuple type vars zip").split(" "));
const TOKEN = new RegExp([
  String.raw`(?<com>#[^\n]*)`,
  String.raw`(?<str>(?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?))`,
  String.raw`(?<num>\b\d[\w.]*)`,
  String.raw`(?<dec>@[\w.]+)`,
  String.raw`(?<name>[^\W\d]\w*)`,
].join("|"), "gu");

const COLOURED = { code: true, tool_call: true };

/** Text as text and coloured spans. */
function highlighted(text) {
  const pieces = [];
  let done = 0, defines = false;
  for (const match of text.matchAll(TOKEN)) {
    const { com, str, num, dec, name } = match.groups;
    const kind = com ? "com" : str ? "str" : num ? "num" : dec || defines ? "fn" : KEYWORDS.has(name) ? "kw" : BUILTINS.has(name) ? "fn" : null;
    defines = name === "def" || name === "class";
    if (!kind) continue;
    pieces.push(text.slice(done, match.index), h("span", { class: kind }, match[0]));
    done = match.index + match[0].length;
  }
  return [...pieces, text.slice(done)];
}
