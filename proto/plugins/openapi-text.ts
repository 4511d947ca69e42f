/** Words for people, out of the contract's comments. */
import type { AnyDesc, DescEnum, DescFile } from "@bufbuild/protobuf";
import { getComments } from "@bufbuild/protoplugin";

/** A JSON object, as the document is made of. */
export type Json = Record<string, unknown>;

/** The comment above a declaration, its lines joined to paragraphs; empty when there is none. */
export function commentOf(desc: Exclude<AnyDesc, DescFile>): string {
  return (getComments(desc).leading ?? "")
    .split(/\n[ \t]*\n/)
    .map((paragraph) =>
      paragraph
        .split("\n")
        .map((line) => line.trim())
        .join(" ")
        .trim(),
    )
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}

/** The first sentence, without its full stop. */
export function firstSentence(text: string): string {
  const [sentence] = text.split(/(?<=\.)\s/);
  return sentence!.replace(/\.$/, "");
}

/** An enum's values with their comments, as a list; `nameOf` says how each is written. */
export function valueList(desc: DescEnum, nameOf: (name: string) => string): string {
  return desc.values
    .map((value) => `- \`${nameOf(value.name)}\`: ${commentOf(value)}`.trimEnd())
    .join("\n");
}

/** Paragraphs of a description; those that are empty or absent are left out. */
export function paragraphs(...texts: (string | undefined)[]): string {
  return texts.filter((text) => text).join("\n\n");
}

/** One object of several; where they share a key, the last one's value stands. */
export function merged<Value>(objects: readonly Record<string, Value>[]): Record<string, Value> {
  return Object.fromEntries(objects.flatMap((object) => Object.entries(object)));
}

/** The object without keys that have no value, and without an empty description. */
export function compact(object: Json): Json {
  return Object.fromEntries(
    Object.entries(object).filter(
      ([key, value]) => value !== undefined && !(key === "description" && value === ""),
    ),
  );
}
