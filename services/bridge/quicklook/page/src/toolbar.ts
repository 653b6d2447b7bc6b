// Buttons, boxes and keys of the page, and what they show of the view.

import { isDark } from "./colours";
import type { Moves } from "./gestures";
import { recall, remember } from "./memory";
import { inWords, type Range, readRange } from "./ranges";
import { isLive, type View } from "./view";
import { found } from "./words";

/** Pixels. */
const LEAST_FONT = 10;

/** What they do. */
export interface Acts {
  moves: Moves;
  range(range: Range): void;
  split(): void;
  /** Save the points as drawn, or the whole. */
  save(whole: boolean): void;
  find(): void;
  /** The colours have changed. */
  repaint(): void;
  /** The bridge's time, UNIX seconds. */
  now(): number;
}

export class Toolbar {
  private readonly box = found<HTMLInputElement>("range");
  private readonly lasts = [...document.querySelectorAll<HTMLButtonElement>("button[data-last]")];

  constructor(private readonly acts: Acts) {
    const { moves } = acts;
    const clicks: Record<string, () => void> = {
      earlier: () => moves.shift(-0.5),
      later: () => moves.shift(0.5),
      closer: () => moves.zoom(0.5),
      wider: () => moves.zoom(2),
      live: () => moves.live(),
      apart: () => acts.split(),
      csv: () => acts.save(false),
      "csv-all": () => acts.save(true),
      help,
      theme: () => this.theme(isDark() ? "light" : "dark"),
    };
    for (const [id, act] of Object.entries(clicks)) found(id).addEventListener("click", act);
    for (const button of this.lasts)
      button.addEventListener("click", () => acts.range({ from: `-${button.dataset["last"]}`, to: "now" }));
    found("range-form").addEventListener("submit", (event) => this.read(event));
    this.box.addEventListener("input", () => {
      this.box.setCustomValidity("");
      this.box.style.fontSize = "";
    });
    new ResizeObserver(() => this.fit()).observe(this.box);
    addEventListener("keydown", (event) => this.key(event));
    const theme = recall("theme");
    if (theme) document.documentElement.dataset["theme"] = theme;
  }

  show({ fields, range, apart }: View): void {
    this.box.value = inWords(range);
    this.fit();
    found("live").setAttribute("aria-pressed", String(isLive(range)));
    found("apart").setAttribute("aria-pressed", String(apart));
    for (const button of this.lasts)
      button.setAttribute("aria-pressed", String(isLive(range) && range.from === `-${button.dataset["last"]}`));
    document.body.classList.toggle("empty", fields.length === 0);
    const names = fields.map((field) => field.split(/[.:]/).at(-1)).join(", ");
    document.title = names ? `${names} – Quicklook` : "Quicklook";
  }

  private read(event: Event): void {
    event.preventDefault();
    try {
      this.acts.range(readRange(this.box.value, this.acts.now()));
      this.box.setCustomValidity("");
      this.box.blur();
    } catch (error) {
      this.box.setCustomValidity((error as Error).message);
      this.box.reportValidity();
    }
  }

  /** Write so small that the box shows all of its text. */
  private fit(): void {
    const { style } = this.box;
    style.fontSize = "";
    const part = this.box.clientWidth / this.box.scrollWidth;
    // A little less, as not all of the width is that of letters.
    const size = 0.96 * part * parseFloat(getComputedStyle(this.box).fontSize);
    if (part < 1) style.fontSize = `${Math.max(size, LEAST_FONT)}px`;
  }

  private theme(theme: string): void {
    document.documentElement.dataset["theme"] = theme;
    remember("theme", theme);
    this.acts.repaint();
  }

  private key(event: KeyboardEvent): void {
    // What is typed into a box is no key of the page, and what has Ctrl or the like is the browser's.
    const typed = (event.target as Element | null)?.closest?.("input, dialog");
    if (typed || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys: Record<string, () => void> = {
      "/": () => this.acts.find(),
      t: () => this.box.select(),
      l: () => this.acts.moves.live(),
      "?": help,
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

const help = (): void => found<HTMLDialogElement>("keys").showModal();
