// The samples of the view: asked once in full, then only what is new.

import { data, type Parameters } from "./api";
import { type Column, continued, seamAt, type Span, taken } from "./columns";
import { type Range, secondsOf } from "./ranges";
import { isSliding } from "./view";

/** Fields that have something new since so many seconds, or refreshes, are asked apart from those that have not. */
const LATELY = 30;

export class Samples {
  columns: Map<string, Column> = new Map();
  span: Span | undefined;
  /** How far the bridge's clock is ahead of this computer's, seconds. */
  ahead = 0;

  now(): number {
    return Date.now() / 1e3 + this.ahead;
  }

  async load(fields: string[], range: Range, points: number, signal: AbortSignal): Promise<void> {
    if (!fields.length) {
      this.columns = new Map();
      return;
    }
    const length = secondsOf(range.to, this.now()) - secondsOf(range.from, this.now());
    const how: Parameters = [["from", range.from], ["to", range.to], ["stride", strideOf(length / points)]];
    const reply = await data(fields, how, signal);
    if (range.to === "now") this.ahead = reply.end - Date.now() / 1e3;
    this.columns = taken(reply);
    this.span = reply;
  }

  /** Of the same span, ask what is missing, and forget what is not wanted any more. */
  async complete(fields: string[], signal: AbortSignal): Promise<void> {
    const missing = fields.filter((field) => !this.columns.has(field));
    const { columns } = this;
    if (missing.length && this.span) {
      const { start, end, stride } = this.span;
      const how: Parameters = [["from", start.toFixed(6)], ["to", end.toFixed(6)], ["stride", plain(stride)]];
      for (const [field, column] of taken(await data(missing, how, signal))) columns.set(field, column);
    }
    for (const field of columns.keys()) if (!fields.includes(field)) columns.delete(field);
  }

  /** Take what has come since, and move the end of the span to now; its begin, too, unless that is a moment. */
  async follow(range: Range, signal: AbortSignal): Promise<void> {
    const span = this.span;
    if (!span || !this.columns.size) return;
    const length = span.end - span.start;
    const startOf = (end: number): number => (isSliding(range) ? end - length : span.start);
    const newest = Math.max(...[...this.columns.values()].map((column) => column.since));
    const lately = Math.min(newest, this.now()) - Math.max(LATELY, length / 50);
    const groups = [true, false].map((fresh) => [...this.columns].filter(([, { since }]) => since >= lately === fresh));
    let end = span.end;
    for (const group of groups) {
      if (!group.length) continue;
      const seam = seamAt(Math.min(...group.map(([, { since }]) => since)), span.stride);
      const from = Math.max(seam.ask, span.start).toFixed(6);
      const how: Parameters = [["from", from], ["to", "now"], ["stride", plain(span.stride)]];
      const reply = await data(group.map(([field]) => field), how, signal);
      end = Math.max(end, reply.end);
      this.ahead = reply.end - Date.now() / 1e3;
      for (const series of reply.series) {
        const column = this.columns.get(series.field);
        if (column) this.columns.set(series.field, continued(column, series, seam.take, startOf(end)));
      }
    }
    this.span = { ...span, start: startOf(end), end };
  }
}

const LEAST = 1e-6;
const DIGITS = 2;

/**
 * A stride of a few digits, not less than asked. As its text says it exactly, all replies are made of the same cells; and
 * a range that is looked at again, a little later, is drawn by the same points.
 */
function strideOf(asked: number): string {
  if (!(asked > LEAST)) return plain(LEAST);
  const unit = 10 ** (Math.floor(Math.log10(asked)) + 1 - DIGITS);
  return plain(Number((Math.ceil(asked / unit - 1e-9) * unit).toPrecision(DIGITS)));
}

/** A number of seconds as the bridge reads it, without an exponent. */
export const plain = (seconds: number): string => seconds.toFixed(9).replace(/\.?0+$/, "");
