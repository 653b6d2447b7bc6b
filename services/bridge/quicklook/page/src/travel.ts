// Moving through time: what gestures, keys and buttons make of the range.

import type { Span } from "./columns";
import type { Moves } from "./gestures";
import { iso, type Range } from "./ranges";
import { isLive, USUAL } from "./view";

/** Seconds of the shortest range. */
const LEAST_LENGTH = 0.01;

/** The page, as far as it is moved. */
export interface Ground {
  range(): Range;
  /** What is drawn; none before the first samples came. */
  span(): Span | undefined;
  /** Look at a range; false when it is the one that is looked at. */
  go(range: Range): boolean;
  show(start: number, end: number): void;
  point(t: number | null): void;
  draw(): void;
}

export class Travel implements Moves {
  /** Whether a gesture goes on, which shows a range of its own. */
  held = false;
  private lastLive = USUAL;

  constructor(private readonly ground: Ground) {}

  look(start: number, end: number): void {
    this.held = false;
    if (end - start < LEAST_LENGTH) [start, end] = [(start + end - LEAST_LENGTH) / 2, (start + end + LEAST_LENGTH) / 2];
    // No finer than a pixel: who reads the range, or types it again, is spared the rest.
    const grain = 10 ** Math.min(Math.floor(Math.log10((end - start) / 1000)), 0);
    const rounded = (t: number): number => Math.round(t / grain) * grain;
    if (!this.go({ from: iso(Math.max(rounded(start), 1)), to: iso(rounded(end)) })) this.ground.draw();
  }

  preview(start: number, end: number): void {
    this.held = true;
    this.ground.show(start, end);
  }

  point(t: number | null): void {
    this.ground.point(t);
  }

  shift(lengths: number): void {
    const span = this.ground.span();
    if (!span) return;
    const by = lengths * (span.end - span.start);
    this.look(span.start + by, span.end + by);
  }

  zoom(factor: number, at = 0.5): void {
    const span = this.ground.span();
    if (!span) return;
    const length = span.end - span.start;
    if (isLive(this.ground.range())) {
      // The end stays now.
      this.go({ from: `-${inUnits(Math.max(Math.round(length * factor), 1))}`, to: "now" });
      return;
    }
    const start = span.start + at * length * (1 - factor);
    this.look(start, start + length * factor);
  }

  live(): void {
    const [range, span] = [this.ground.range(), this.ground.span()];
    if (!isLive(range)) this.go(this.lastLive);
    else if (span) this.go({ from: iso(span.start), to: iso(span.end) });
  }

  private go(range: Range): boolean {
    const before = this.ground.range();
    if (isLive(before)) this.lastLive = before;
    return this.ground.go(range);
  }
}

/** Whole seconds in the greatest unit that they are a whole number of. */
function inUnits(seconds: number): string {
  const units: [string, number][] = [["d", 86400], ["h", 3600], ["m", 60]];
  const [unit, length] = units.find(([, each]) => seconds % each === 0) ?? ["s", 1];
  return `${seconds / length}${unit}`;
}
