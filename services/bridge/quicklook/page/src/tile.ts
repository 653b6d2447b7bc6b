// One field at a glance: its colour, its newest value and how old that is, and the value under the pointer.

import type { Series } from "./api";
import { isDark, type Pen, pen } from "./colours";
import { lowerBound, staleAfter, usualStep } from "./columns";
import type { Newest } from "./newest";
import { ago, breakable, brief, clock, element, parts } from "./words";

export class Tile {
  readonly element: HTMLElement;
  private readonly line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  private readonly value = element("b");
  private readonly units = element("span", { class: "units" });
  private readonly age = element("span", { class: "age" });
  private readonly pointed = element("p", { class: "pointed" });
  private readonly problem = element("p", { class: "problem" });
  private newest: Newest | undefined;
  private series: Series | undefined;

  constructor(
    readonly field: string,
    remove: () => void,
  ) {
    const { server, path, last } = parts(field);
    const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    for (const [name, value] of [["viewBox", "0 0 28 8"], ["class", "swatch"], ["aria-hidden", "true"]] as const)
      swatch.setAttribute(name, value);
    for (const [name, value] of [["x1", "0"], ["x2", "28"], ["y1", "4"], ["y2", "4"], ["stroke-width", "3"]] as const)
      this.line.setAttribute(name, value);
    swatch.append(this.line);
    const button = element("button", { type: "button", class: "remove", "aria-label": `Remove ${field}`, title: "Remove" }, "×");
    button.addEventListener("click", remove);
    this.element = element(
      "article",
      { class: "tile", "data-field": field, title: field },
      element("header", {}, swatch, element("h3", {}, ...breakable(last)), button),
      element("p", { class: "path" }, ...breakable(path ? `${server} · ${path}` : server)),
      element("p", { class: "value" }, this.value, " ", this.units, " ", this.age),
      this.pointed,
      this.problem,
    );
  }

  get isTold(): boolean {
    return this.newest !== undefined;
  }

  paint(place: number): void {
    const { colour, dash }: Pen = pen(place, isDark());
    this.line.setAttribute("stroke", colour);
    this.line.setAttribute("stroke-dasharray", dash.join(" "));
  }

  /** What is drawn has changed. */
  take(series: Series): void {
    this.series = series;
    this.units.textContent = series.units ?? "";
    this.element.title = [this.field, series.description].filter(Boolean).join("\n");
    this.say([series.problem?.message, ...series.notices.map((notice) => notice.text)]);
  }

  say(sentences: (string | undefined)[]): void {
    this.problem.textContent = sentences.filter(Boolean).join("; ");
  }

  /** The newest value has changed, or time has gone on; `now` by the bridge's clock. */
  tell(newest: Newest | undefined, now: number, online: boolean): void {
    this.newest = newest ?? this.newest;
    const known = this.newest;
    this.value.textContent = brief(known?.value);
    if (!known) {
      this.age.textContent = online ? "" : "▲ server offline";
      this.element.classList.toggle("stale", !online);
      return;
    }
    const usual = this.series ? usualStep(this.series, 0) : 0;
    const old = now - known.t > staleAfter(usual);
    this.element.classList.toggle("stale", old || !online);
    this.age.textContent = `${online ? (old ? "▲ stale, " : "") : "▲ server offline, "}${ago(now - known.t)}`;
  }

  /** Show the value at a time, or at none. */
  point(t: number | null): void {
    this.pointed.textContent = t === null || !this.series ? "" : this.at(t, this.series);
  }

  private at(t: number, series: Series): string {
    const after = lowerBound(series.t, t);
    const [earlier, later] = [series.t[after - 1] ?? -Infinity, series.t[after] ?? Infinity];
    // Words hold until the next one; of numbers the nearest is meant.
    const place = series.type === "number" && later - t < t - earlier ? after : after - 1;
    const stamp = series.t[place];
    if (stamp === undefined) return "no sample here";
    return `${clock(stamp, true)}  ${brief(series.values[place])}`;
  }
}
