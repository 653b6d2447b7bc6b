// Samples as they are drawn: what came first and what came later as one, and a hole where there are none.

import type { Reply, Series, Value } from "./api";

/** Samples further apart than so many times the usual have a gap between them; the same as in the bridge. */
const GAP = 3;
/** A value is stale when it is older than so many times the usual distance of samples, and than so many seconds. */
const STALE = 5;
const STALE_SECONDS = 30;

/** One field of the view. */
export interface Column {
  series: Series;
  /** Until when samples need not be asked again, UNIX seconds. */
  since: number;
}

export interface Span {
  start: number;
  end: number;
  stride: number;
}

/** Where to ask again after `since`, and from where on what comes is to be taken. */
export interface Seam {
  ask: number;
  take: number;
}

/**
 * Points are made of cells of two strides, which lie on multiples of that; only the first and the last cell of a reply
 * may hold samples of their neighbours. So what is taken on both sides of the seam is what one reply would have had.
 */
export function seamAt(since: number, stride: number): Seam {
  const cell = 2 * stride;
  const last = Math.floor(since / cell);
  return { ask: (last - 3) * cell, take: (last - 1) * cell };
}

export function taken(reply: Reply): Map<string, Column> {
  return new Map(reply.series.map((series) => [series.field, { series, since: sinceOf(series, reply.start) }]));
}

function sinceOf({ t, finalized_until }: Series, otherwise: number): number {
  return Math.min(t.at(-1) ?? otherwise, finalized_until ?? Infinity);
}

/** Put what is new from `from` on behind what there was before, and forget what lies before `start`. */
export function continued(column: Column, more: Series, from: number, start: number): Column {
  const old = column.series;
  if (more.problem && more.problem.code !== "empty") {
    return { ...column, series: { ...old, problem: more.problem, notices: more.notices } };
  }
  const begin = lowerBound(old.t, start);
  const end = Math.max(begin, lowerBound(old.t, from));
  const first = lowerBound(more.t, from);
  const t = [...old.t.slice(begin, end), ...more.t.slice(first)];
  const values = [...old.values.slice(begin, end), ...more.values.slice(first)];
  const about = more.type === null ? old : more;
  const problem = t.length ? null : more.problem;
  const series = { ...about, t, values, problem };
  return { series, since: more.t.length ? sinceOf(more, from) : column.since };
}

export function lowerBound(t: readonly number[], least: number): number {
  let [low, high] = [0, t.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((t[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Drawn {
  t: number[];
  values: (number | null)[];
}

/**
 * Numbers to draw, with a null in each gap, also at both ends; of texts, the place of each among `names`. What is not yet
 * there at the end of a `live` range is no gap before it is stale.
 */
export function drawn(series: Series, { start, end, stride }: Span, names: string[], live: boolean): Drawn {
  const usual = usualStep(series, stride);
  const made: Drawn = { t: [], values: [] };
  const hole = (t: number): void => {
    made.t.push(t);
    made.values.push(null);
  };
  const [first, last] = [series.t[0], series.t.at(-1)];
  if (first !== undefined && first - start > GAP * usual) hole(start);
  series.t.forEach((t, at) => {
    const before = series.t[at - 1];
    if (before !== undefined && t - before > GAP * usual + 1e-6) hole(before + usual);
    made.t.push(t);
    made.values.push(asNumber(series.values[at] ?? null, names));
  });
  if (last !== undefined && end - last > (live ? staleAfter(usual) : GAP * usual)) hole(last + usual);
  return made;
}

/** Usual distance of samples; the one that the data server says is not believed when most are further apart. */
export function usualStep({ t, interval }: Series, stride: number): number {
  const steps = t.slice(1).map((each, at) => each - (t[at] as number)).sort((a, b) => a - b);
  return Math.max(interval ?? 0, steps[(steps.length - 1) >> 1] ?? 0, stride);
}

/** Seconds after which a value is stale. */
export const staleAfter = (usual: number): number => Math.max(STALE * usual, STALE_SECONDS);

function asNumber(value: Value, names: string[]): number | null {
  if (value === null || typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return names.indexOf(value);
}

/** Texts that a field has had. */
export function namesOf(series: Series): string[] {
  if (series.type === "bool") return ["false", "true"];
  if (series.type !== "string") return [];
  return [...new Set(series.values.filter((value): value is string => typeof value === "string"))];
}
