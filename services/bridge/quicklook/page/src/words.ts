// Numbers, times and names as people read them.

import type { Value } from "./api";

export function ago(seconds: number): string {
  if (seconds < -1) return `in ${ago(-seconds)}`;
  const s = Math.max(seconds, 0);
  if (s < 1.5) return "now";
  if (s < 120) return `${Math.round(s)} s ago`;
  if (s < 7200) return `${Math.round(s / 60)} min ago`;
  if (s < 172800) return `${Math.round(s / 3600)} h ago`;
  return `${Math.round(s / 86400)} d ago`;
}

/** Six figures at most: what is read at a glance; the exact value is in the table and in the CSV. */
export function brief(value: Value | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(3).replace("-", "−").replace("e-", "e−");
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

const digits = (value: number): string => String(value).padStart(2, "0");

/** `08:15:30` of UNIX seconds, in UTC, with milliseconds where there are some. */
export function clock(t: number, exact = false): string {
  const date = new Date(Math.round(t * 1e3));
  const ms = date.getUTCMilliseconds();
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(digits).join(":");
  return exact && ms ? `${time}.${String(ms).padStart(3, "0")}` : time;
}

export const day = (t: number): string => new Date(t * 1e3).toISOString().slice(0, 10);

/** Server and field; of the field, the last part first, as that is what tells it from its neighbours. */
export function parts(name: string): { server: string; path: string; last: string } {
  const cut = name.indexOf("::");
  const server = cut < 0 ? "" : name.slice(0, cut);
  const field = cut < 0 ? name : name.slice(cut + 2);
  const dot = field.lastIndexOf(".");
  return { server, path: dot < 0 ? "" : field.slice(0, dot), last: field.slice(dot + 1) };
}

type Child = Node | string;

/** An element with attributes and children; a text is never read as markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A name that is broken, where it must be, between its parts. */
export const breakable = (name: string): Child[] =>
  name.split(/(?<=[_.:])(?=[^_.:])/).flatMap((part, place) => (place ? [element("wbr"), part] : [part]));

export function found<E extends HTMLElement>(id: string): E {
  const made = document.getElementById(id);
  if (!made) throw new Error(`the page has no #${id}`);
  return made as E;
}
