// What is looked at, kept in the address behind the "#", so that a link, a reload and the Back key keep it.

import type { Range } from "./ranges";

export interface View {
  fields: string[];
  range: Range;
  /** Whether each field has a plot of its own, rather than one for each unit or feed. */
  apart: boolean;
}

export const USUAL: Range = { from: "-1h", to: "now" };

export function readView(hash: string): View {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    fields: [...new Set(said.getAll("field"))],
    range: { from: said.get("from") || USUAL.from, to: said.get("to") || USUAL.to },
    apart: said.get("apart") === "1",
  };
}

export function writeView({ fields, range, apart }: View): string {
  const said = new URLSearchParams([...fields.map((field) => ["field", field]), ["from", range.from], ["to", range.to]]);
  if (apart) said.set("apart", "1");
  // Such addresses are read and pasted by people.
  return `#${said.toString().replaceAll("%3A", ":").replaceAll("%2F", "/")}`;
}

/** Whether the range goes on with time; one that begins at a moment becomes longer. */
export const isLive = (range: Range): boolean => range.to === "now";

export const isSliding = (range: Range): boolean => isLive(range) && /^(?:now\s*)?-/.test(range.from);
