// One plot: the fields of one unit, those of a feed that have none, or one field whose values are words.

import uPlot from "uplot";

import { leftOf, nameLabels, numberLabels, room, timeLabels } from "./axes";
import { ink, isDark, pen } from "./colours";
import { type Column, drawn, namesOf, type Span } from "./columns";
import { follow, type Moves, onKey, select, selects } from "./gestures";
import { areApart, lonely, markHoles } from "./marks";
import { valuesTable } from "./table";
import { breakable, brief, clock, day, element, parts } from "./words";

export interface Panel {
  key: string;
  title: string;
  units: string;
  kind: "number" | "string" | "bool";
  fields: string[];
}

/**
 * What belongs together in a plot: numbers of a unit, those of a feed that have none, as nothing else says that they are of
 * one size, yes and no, and each field of words by itself.
 */
export function panelsOf(fields: string[], columns: Map<string, Column>, apart: boolean): Panel[] {
  const panels = new Map<string, Panel>();
  for (const field of fields) {
    const series = columns.get(field)?.series;
    const kind = series?.type ?? "number";
    const units = series?.units || (kind === "bool" ? "yes or no" : "");
    const alone = apart || kind === "string";
    const key = alone ? field : !series?.type ? "unknown" : units ? `${kind} ${units}` : `${kind} of ${feedOf(field)}`;
    const title = kind === "string" || (apart && !units) ? parts(field).last : units || feedOf(field);
    const panel = panels.get(key) ?? { key, title: series?.type ? title : "no samples", units, kind, fields: [] };
    panels.set(key, { ...panel, fields: [...panel.fields, field] });
  }
  return [...panels.values()];
}

const SYNC = "time";
const FONT = "12px system-ui, sans-serif";

export class Plot {
  readonly element: HTMLElement;
  readonly tiles = element("div", { class: "tiles" });
  private readonly chart: HTMLElement;
  private readonly table = element("div", { class: "scroll" });
  private readonly details: HTMLDetailsElement;
  private readonly pointed = element("output", { class: "pointed" });
  private plot: uPlot | undefined;
  private names: string[] = [];
  private shown = { start: 0, end: 1 };
  private columns: Map<string, Column> = new Map();

  constructor(
    readonly panel: Panel,
    private readonly moves: Moves,
    private readonly mark: (plot: uPlot) => void,
  ) {
    this.chart = element("div", { class: "chart", tabindex: "0", role: "img" });
    this.chart.addEventListener("keydown", (event) => onKey(event, moves));
    this.details = element("details", { class: "values" }, element("summary", {}, "Values as a table"), this.table);
    this.details.addEventListener("toggle", () => this.tabulate());
    const heading = element("h2", {}, ...breakable(panel.title));
    this.element = element("section", { class: "panel" }, heading, this.pointed, this.tiles, this.chart, this.details);
  }

  draw(columns: Map<string, Column>, span: Span, live: boolean): void {
    this.columns = columns;
    this.shown = { start: span.start, end: span.end };
    const known = this.panel.fields.map((field) => columns.get(field)?.series);
    const empty = known.every((series) => !series?.t.length);
    this.chart.classList.toggle("none", empty);
    // In an order that does not change when time goes on.
    this.names = [...new Set(known.flatMap((series) => (series ? namesOf(series) : [])))].sort();
    const tables = known.map((series): uPlot.AlignedData => {
      const { t, values } = series ? drawn(series, span, this.names, live) : { t: [], values: [] };
      return [t, values];
    });
    // A hole of one field stays one where others have samples.
    const data = uPlot.join(tables, tables.map(() => [0, 2]));
    if (empty) this.drop();
    else if (!this.plot) this.make(data);
    else {
      if (this.plot.height !== this.height()) this.plot.setSize({ width: this.plot.width, height: this.height() });
      this.plot.setData(data);
    }
    this.chart.setAttribute("aria-label", this.summary(data));
    this.tabulate();
  }

  /** Show another range of the same samples. */
  preview(start: number, end: number): void {
    this.shown = { start, end };
    this.plot?.setScale("x", { min: start, max: end });
  }

  resize(): void {
    const width = this.chart.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
  }

  remove(): void {
    this.plot?.destroy();
    this.element.remove();
  }

  /** Say that there is nothing to plot; the chart stays, as it may have the focus. */
  private drop(): void {
    this.plot?.destroy();
    this.plot = undefined;
    this.pointed.textContent = "";
    Object.assign(this.chart, { plot: undefined });
    this.chart.replaceChildren(element("p", {}, "No samples in this range"));
  }

  private height(): number {
    return this.panel.kind === "number" ? 230 : 130 + 12 * Math.min(this.names.length, 8);
  }

  private make(data: uPlot.AlignedData): void {
    const dark = isDark();
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    const axis: uPlot.Axis = {
      font: FONT,
      labelFont: FONT,
      stroke: ink("--ink"),
      grid: { stroke: ink("--grid"), width: 1 },
      ticks: { stroke: ink("--grid"), width: 1, size: 4 },
    };
    const { kind, units } = this.panel;
    const words = kind !== "number";
    const options: uPlot.Options = {
      width: Math.max(this.chart.clientWidth, 200),
      height: this.height(),
      padding: [null, null, null, leftOf],
      tzDate: (t) => uPlot.tzDate(new Date(t * 1e3), "Etc/UTC"),
      legend: { show: false },
      scales: {
        x: { time: true, range: () => [this.shown.start, this.shown.end] },
        y: words ? { range: () => [-0.5, Math.max(this.names.length, 1) - 0.5] } : {},
      },
      axes: [
        { ...axis, space: 64, size: 40, values: (_plot, splits, _at, _space, step) => timeLabels(splits, step) },
        {
          ...axis,
          size: room,
          ...(words
            ? { splits: () => this.names.map((_, place) => place), values: (_plot, splits) => nameLabels(splits, this.names) }
            : {
                ...(units ? { label: units, labelSize: 18, labelGap: 0 } : {}),
                values: (_plot, splits, _at, _space, step) => numberLabels(splits, step),
              }),
        },
      ],
      series: [
        {},
        ...this.panel.fields.map((field, place): uPlot.Series => {
          const { colour, dash } = pen(place, dark);
          const paths = words && stepped ? { paths: stepped } : {};
          return {
            label: field, stroke: colour, width: 1.5, dash, spanGaps: false, ...paths,
            points: { fill: colour, show: areApart, filter: lonely },
          };
        }),
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 3 },
        points: { size: 7 },
        bind: {
          mousedown: (_plot, _target, handler) => (event) => (selects(event) ? handler(event) : null),
          dblclick: () => null,
        },
        sync: { key: SYNC, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      },
      hooks: {
        setSelect: [(plot) => select(plot, this.moves)],
        setCursor: [(plot) => this.point(plot)],
        drawAxes: [this.mark],
        draw: [markHoles],
      },
    };
    this.chart.replaceChildren();
    this.plot = new uPlot(options, data, this.chart);
    follow(this.plot, this.moves);
    // Whoever inspects the page finds the plot, and so do its tests.
    Object.assign(this.chart, { plot: this.plot });
  }

  private point(plot: uPlot): void {
    const { left } = plot.cursor;
    const t = left === undefined || left < 0 ? null : plot.posToVal(left, "x");
    this.pointed.textContent = t === null ? "" : `${day(t)} ${clock(t)} UTC`;
    this.moves.point(t);
  }

  private summary(data: uPlot.AlignedData): string {
    const numbers = data.slice(1).flatMap((each) => [...each].filter((value) => typeof value === "number"));
    const span = `from ${day(this.shown.start)} ${clock(this.shown.start)} to ${day(this.shown.end)} ${clock(this.shown.end)} UTC`;
    const reach = this.panel.kind !== "number" ? this.names.join(", ")
      : `from ${brief(least(numbers))} to ${brief(-least(numbers.map((value) => -value)))} ${this.panel.units}`.trimEnd();
    return `Plot of ${this.panel.fields.join(", ")}, ${span}: ${numbers.length ? reach : "no samples"}`;
  }

  private tabulate(): void {
    if (this.details.open) this.table.replaceChildren(valuesTable(this.panel.fields, this.columns));
  }
}

/** Data server and feed of a field: its name up to the last dot. */
const feedOf = (field: string): string => {
  const { server, path } = parts(field);
  return [server, path].filter(Boolean).join("::") || "no unit";
};

function least(numbers: number[]): number {
  return numbers.reduce((so, value) => Math.min(so, value), Infinity);
}
