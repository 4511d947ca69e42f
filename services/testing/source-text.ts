/** Tells TypeScript's code, comments and string contents apart, so that rules can look at one kind. */

/** Copies of a text, equal in length and lines, in which everything of the other kinds is blank. */
export interface SourceParts {
  /** Code, with the quotes of strings but not their contents. */
  code: string;
  /** The contents of strings and templates. */
  strings: string;
}

type Kind = "code" | "string" | "comment";

/** After these words and signs a slash begins a regular expression and does not divide. */
const beforeRegExp =
  /(^|[=(,;:!&|?{}[+\-*%<>~^]|=>|\b(return|typeof|case|in|of|new|delete|void|throw|await|yield|else|do))$/;

/** Splits TypeScript. Good enough for our own formatted sources; it is no parser. */
export function splitSource(text: string): SourceParts {
  const kinds: Kind[] = [];
  // The braces open within each template that is being read: at 0 a "}" returns into the template.
  const templates: number[] = [];
  let position = 0;
  let codeSoFar = "";

  while (position < text.length) {
    const char = text[position]!;
    const two = text.slice(position, position + 2);
    if (two === "//") take("comment", lineEnd(text, position));
    else if (two === "/*") take("comment", after(text, "*/", position + 2));
    else if (char === '"' || char === "'") takeString(char);
    else if (char === "`") takeTemplate();
    else if (char === "/" && beforeRegExp.test(codeSoFar.trimEnd().slice(-12))) takeRegExp();
    else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      takeTemplate();
    } else {
      if (templates.length > 0 && char === "{") templates[templates.length - 1]!++;
      if (templates.length > 0 && char === "}") templates[templates.length - 1]!--;
      take("code", position + 1);
    }
  }
  return { code: keep("code"), strings: keep("string") };

  function take(kind: Kind, end: number): void {
    for (let i = position; i < end; i++) kinds.push(kind);
    if (kind === "code") codeSoFar = (codeSoFar + text.slice(position, end)).slice(-64);
    position = end;
  }

  function takeString(quote: string): void {
    let end = position + 1;
    while (end < text.length && text[end] !== quote && text[end] !== "\n") {
      end += text[end] === "\\" ? 2 : 1;
    }
    take("code", position + 1);
    take("string", Math.min(end, text.length));
    if (position < text.length) take("code", position + 1);
  }

  /** From the opening backtick, or the brace that ends a `${…}`, to the end or to the next `${`. */
  function takeTemplate(): void {
    let end = position + 1;
    while (end < text.length && text[end] !== "`" && text.slice(end, end + 2) !== "${") {
      end += text[end] === "\\" ? 2 : 1;
    }
    take("code", position + 1);
    take("string", Math.min(end, text.length));
    if (text[position] === "$") {
      templates.push(0);
      take("code", position + 2);
    } else if (position < text.length) take("code", position + 1);
  }

  function takeRegExp(): void {
    let end = position + 1;
    let inClass = false;
    while (end < text.length && text[end] !== "\n" && (inClass || text[end] !== "/")) {
      if (text[end] === "[") inClass = true;
      if (text[end] === "]") inClass = false;
      end += text[end] === "\\" ? 2 : 1;
    }
    take("code", position + 1);
    take("comment", Math.min(end, text.length));
    if (position < text.length) take("code", position + 1);
  }

  function keep(kind: Kind): string {
    return text
      .split("")
      .map((char, i) => (kinds[i] === kind || char === "\n" ? char : " "))
      .join("");
  }
}

/** SQL without its comments, equal in length and lines. */
export function blankSqlComments(text: string): string {
  return text.replaceAll(/--[^\n]*|\/\*[^]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "));
}

/** A module that a source imports. */
export interface Import {
  specifier: string;
  line: number;
}

/** Static and dynamic imports, and re-exports, with a literal specifier. */
export function importsOf(text: string, parts = splitSource(text)): Import[] {
  const pattern = /\b(?:from|import)\s*\(?\s*(["'])( *)\1/g;
  return [...parts.code.matchAll(pattern)].map((match) => {
    const start = match.index + match[0].length - 1 - match[2]!.length;
    return {
      specifier: text.slice(start, start + match[2]!.length),
      line: lineAt(text, match.index),
    };
  });
}

/** The number, from 1, of the line that holds a position. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let i = 0; i < position; i++) if (text.charCodeAt(i) === 10) line++;
  return line;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length;
}
