// Labels of axes: UTC, the day where it changes, and as many figures as the steps need.

import type uPlot from "uplot";

import { clock } from "./words";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function timeLabels(splits: number[], step: number): string[] {
  let before: Date | undefined;
  return splits.map((t) => {
    const date = new Date(Math.round(t * 1e3));
    const sameDay = before !== undefined && before.toISOString().slice(0, 10) === date.toISOString().slice(0, 10);
    const sameYear = before?.getUTCFullYear() === date.getUTCFullYear();
    before = date;
    const dayText = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
    const dated = sameYear ? dayText : `${dayText} ${date.getUTCFullYear()}`;
    if (step >= 86400) return sameYear ? dayText : `${dayText}\n${date.getUTCFullYear()}`;
    const time = step < 1 ? clock(t, true) : step < 60 ? clock(t) : clock(t).slice(0, 5);
    return sameDay ? time : `${time}\n${dated}`;
  });
}

export function numberLabels(splits: number[], step: number): string[] {
  const greatest = Math.max(...splits.map(Math.abs));
  if (greatest >= 1e6 || greatest < 1e-3) {
    const figures = Math.max(0, Math.min(10, Math.ceil(Math.log10(greatest / step) + 0.01)));
    return splits.map((value) => (value === 0 ? "0" : value.toExponential(figures)).replaceAll("-", "−"));
  }
  let decimals = 0;
  while (decimals < 12 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6) decimals++;
  return splits.map((value) => value.toFixed(decimals).replace("-", "−"));
}

export const nameLabels = (splits: number[], names: string[]): string[] =>
  splits.map((place) => {
    const name = names[place] ?? "";
    // Names of one kind often differ at their ends alone.
    return name.length > 14 ? `${name.slice(0, 7)}…${name.slice(-6)}` : name;
  });

/** What most numbers take, so that plots above each other have their times above each other. */
const LEAST_ROOM = 52;
/** Half of a label of a time, which may stand at the very left where there is no other axis. */
const HALF_A_LABEL = 40;

/** Room that the labels of an axis take, in pixels. */
export function room(plot: uPlot, labels: string[] | null, axis: number, cycle: number): number {
  const given = plot.axes[axis];
  if (cycle > 1 && given) return (given as unknown as { _size: number })._size;
  plot.ctx.save();
  plot.ctx.font = String((given?.font as unknown as string[] | undefined)?.[0] ?? plot.ctx.font);
  const widths = (labels ?? []).map((label) => plot.ctx.measureText(label).width / devicePixelRatio);
  plot.ctx.restore();
  return Math.max(Math.ceil(Math.max(...widths, 0)) + 18, LEAST_ROOM);
}

export const leftOf: uPlot.PaddingSide = (_plot, _side, [, , , hasLeft]) => (hasLeft ? 0 : HALF_A_LABEL);
