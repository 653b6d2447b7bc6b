// Moving through time on a plot: by drag, wheel, fingers and keys.

import type uPlot from "uplot";

/** What a gesture asks for. Times are UNIX seconds. */
export interface Moves {
  /** Look at another range from now on. */
  look(start: number, end: number): void;
  /** Show another range for as long as the gesture lasts. */
  preview(start: number, end: number): void;
  /** Point at a time, or at none. */
  point(t: number | null): void;
  /** Shift the range by so many of its lengths. */
  shift(lengths: number): void;
  /** Make the range so many times as long, around the place `at` of it, from 0 to 1. */
  zoom(factor: number, at?: number): void;
  /** Follow the newest samples, or stop. */
  live(): void;
}

const LEAST_PIXELS = 5;

/** A selection by drag is a range to look at. */
export function select(plot: uPlot, moves: Moves): void {
  const { left, width } = plot.select;
  if (width >= LEAST_PIXELS) moves.look(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** Whether the mouse selects, as uPlot has it; otherwise it moves the plot. */
export const selects = (event: MouseEvent): boolean => event.button === 0 && !event.shiftKey;

/** Fingers, and the mouse with Shift, keep the times that they hold under them. */
export function follow(plot: uPlot, moves: Moves): void {
  const over = plot.over;
  const held = new Map<number, { x: number; t: number }>();
  let [start, end, moved] = [0, 0, false];

  const place = (event: PointerEvent): number => event.clientX - over.getBoundingClientRect().left;
  const range = (): void => {
    const [one, two] = [...held.values()];
    if (!one) return;
    const width = over.clientWidth;
    const apart = two ? two.x - one.x : 0;
    const scale = two && Math.abs(apart) > LEAST_PIXELS ? (two.t - one.t) / apart : (end - start) / width;
    if (scale <= 0) return;
    start = one.t - one.x * scale;
    end = start + width * scale;
  };
  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && (selects(event) || event.button !== 0)) return;
    start = plot.scales["x"]?.min ?? 0;
    end = plot.scales["x"]?.max ?? 0;
    moved = false;
    const x = place(event);
    held.set(event.pointerId, { x, t: start + (x / over.clientWidth) * (end - start) });
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    const at = held.get(event.pointerId);
    if (!at) return;
    const x = place(event);
    if (!moved && Math.abs(x - at.x) < LEAST_PIXELS) return;
    moved = true;
    at.x = x;
    range();
    moves.preview(start, end);
  });
  const release = (event: PointerEvent): void => {
    if (!held.delete(event.pointerId) || held.size || !moved) return;
    moves.look(start, end);
  };
  over.addEventListener("pointerup", release);
  over.addEventListener("pointercancel", release);
  over.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      const at = (event.clientX - over.getBoundingClientRect().left) / over.clientWidth;
      const steps = event.deltaY || event.deltaX;
      moves.zoom(steps > 0 ? 1.25 : 0.8, at);
    },
    { passive: false },
  );
  over.addEventListener("dblclick", () => moves.zoom(2));
}

const KEYS: Record<string, (moves: Moves) => void> = {
  ArrowLeft: (moves) => moves.shift(-0.25),
  ArrowRight: (moves) => moves.shift(0.25),
  PageUp: (moves) => moves.shift(-1),
  PageDown: (moves) => moves.shift(1),
  "+": (moves) => moves.zoom(0.5),
  "=": (moves) => moves.zoom(0.5),
  "-": (moves) => moves.zoom(2),
};

export function onKey(event: KeyboardEvent, moves: Moves): void {
  const move = KEYS[event.key];
  if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  move(moves);
}
