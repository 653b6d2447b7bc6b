// What is drawn besides the lines: points, where they can be told apart, and holes.

import type uPlot from "uplot";

import { isDark, pen } from "./colours";

const LEAST_PIXELS = 12;

/** Whether the points of a series lie so far apart that each is worth a dot. */
export function areApart(plot: uPlot, place: number): boolean {
  const known = placesOf(plot, place).filter((at) => plot.data[place]?.[at] !== null);
  const [first, last] = [known[0], known.at(-1)].map((at) => plot.valToPos(plot.data[0][at ?? 0] ?? 0, "x"));
  return known.length > 1 && (last ?? 0) - (first ?? 0) > LEAST_PIXELS * (known.length - 1);
}

/** Places of what belongs to a series: its samples and its holes, and not the samples of others. */
function placesOf(plot: uPlot, place: number): number[] {
  const values = plot.data[place] ?? [];
  const known: number[] = [];
  for (let at = 0; at < values.length; at++) if (values[at] !== undefined) known.push(at);
  return known;
}

/** Samples between two gaps make no line: they are shown as points. */
export function lonely(plot: uPlot, place: number, shown: boolean): number[] | null {
  if (shown) return null;
  const values = plot.data[place] ?? [];
  const known = placesOf(plot, place);
  return known.filter((at, order) => {
    const [before, after] = [known[order - 1], known[order + 1]];
    const lacks = (neighbour: number | undefined): boolean => neighbour === undefined || values[neighbour] === null;
    return values[at] !== null && lacks(before) && lacks(after);
  });
}

const HOLE_PIXELS = 4;

/** Draw at the foot of the plot where a field has no samples, in its colour: a dashed line does not tell. */
export function markHoles(plot: uPlot): void {
  const { ctx, bbox, data } = plot;
  const stamps = data[0];
  const height = HOLE_PIXELS * devicePixelRatio;
  let [row, holed] = [0, false];
  const bar = (begin: number, end: number): void => {
    const left = Math.max(plot.valToPos(begin, "x", true), bbox.left);
    const right = Math.min(plot.valToPos(end, "x", true), bbox.left + bbox.width);
    if (right <= left) return;
    holed = true;
    ctx.fillRect(left, bbox.top + bbox.height - (row + 1) * height, right - left, height - 1);
  };
  ctx.save();
  data.slice(1).forEach((values, place) => {
    ctx.fillStyle = pen(place, isDark()).colour;
    let [begin, hole] = [-Infinity, false];
    for (let at = 0; at < values.length; at++) {
      const [value, t] = [values[at], stamps[at] ?? 0];
      if (value === undefined) continue;
      if (value !== null && hole) bar(begin, t);
      hole = value === null;
      if (!hole) begin = t;
    }
    if (hole) bar(begin, Infinity);
    row += Number(holed);
    holed = false;
  });
  ctx.restore();
}
