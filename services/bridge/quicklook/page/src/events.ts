// What happened in the range: servers that went and came, agents that were started. Listed, and marked in each plot.

import type uPlot from "uplot";

import { type Happening, happenings } from "./api";
import { ink } from "./colours";
import type { Span } from "./columns";
import { clock, day, element, found } from "./words";

/** More marks than that would hide what is plotted. */
const MOST_MARKS = 50;

export class Events {
  private known: Happening[] = [];

  async refresh(span: Span, signal: AbortSignal): Promise<void> {
    try {
      this.known = await happenings(span.start, span.end, signal);
    } catch {
      return; // What cannot be had now was shown before, or will be.
    }
    const count = this.known.length;
    found("events").hidden = count === 0;
    found("events-summary").textContent = `${count} ${count === 1 ? "event" : "events"} in this range`;
    const rows = this.known.map(({ start, end, title, text }) => {
      const until = end === null ? "" : ` to ${clock(end)}`;
      const time = element("th", { scope: "row" }, `${day(start)} ${clock(start)}${until}`);
      return element("tr", {}, time, element("td", {}, title), element("td", {}, text));
    });
    found("events-body").replaceChildren(...rows.reverse());
  }

  /** Draw a line for each event below its time, and a shade for as long as it lasted. */
  readonly mark = (plot: uPlot): void => {
    const { ctx, bbox } = plot;
    const place = (t: number): number => Math.min(Math.max(plot.valToPos(t, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = ink("--bad");
    ctx.lineWidth = devicePixelRatio;
    for (const { start, end } of this.known.slice(-MOST_MARKS)) {
      const left = place(start);
      ctx.globalAlpha = 0.12;
      ctx.fillRect(left, bbox.top, place(end ?? start) - left, bbox.height);
      if (plot.valToPos(start, "x", true) < bbox.left) continue;
      ctx.globalAlpha = 0.7;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}
