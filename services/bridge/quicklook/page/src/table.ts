// What is plotted, as a table: for people who cannot see the plot, and for those who want the figures.

import { type Column } from "./columns";
import { clock, day, element } from "./words";

const MOST_ROWS = 200;

/** The newest samples of all fields, the newest first. */
export function valuesTable(fields: string[], columns: Map<string, Column>): HTMLTableElement {
  const rows = new Map<number, Map<string, string>>();
  for (const field of fields) {
    const series = columns.get(field)?.series;
    series?.t.slice(-MOST_ROWS).forEach((t, place, newest) => {
      const value = series.values[series.t.length - newest.length + place];
      const row = rows.get(t) ?? new Map<string, string>();
      rows.set(t, row.set(field, value === null || value === undefined ? "–" : String(value)));
    });
  }
  const stamps = [...rows.keys()].sort((a, b) => b - a).slice(0, MOST_ROWS);
  const head = element("tr", {}, element("th", { scope: "col" }, "UTC"), ...fields.map((field) => element("th", { scope: "col" }, field)));
  const body = stamps.map((t) => {
    const time = element("th", { scope: "row" }, `${day(t)} ${clock(t, true)}`);
    return element("tr", {}, time, ...fields.map((field) => element("td", {}, rows.get(t)?.get(field) ?? "")));
  });
  const caption = element("caption", {}, `The newest ${stamps.length} points as drawn; CSV has them all`);
  return element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...body));
}
