// The search for fields: a box with a list below it, worked with the keyboard or the mouse.

import { type FieldFound, search } from "./api";
import { element, found } from "./words";

const MOST = 50;
const PAUSE = 150;

export class Search {
  private readonly box = found<HTMLInputElement>("search");
  private readonly list = found<HTMLUListElement>("found");
  private readonly said = found("found-count");
  private fields: FieldFound[] = [];
  private active = -1;
  /** Whether the list is of what the box holds. */
  private answered = false;
  private asking = new AbortController();
  private timer = 0;

  constructor(
    private readonly has: (field: string) => boolean,
    private readonly toggle: (field: string) => void,
  ) {
    this.box.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.answered = false;
      this.timer = setTimeout(() => void this.look(), PAUSE);
    });
    this.box.addEventListener("focus", () => void this.look());
    this.box.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!(event.target as Element).closest("#searching")) this.close();
    });
    this.box.addEventListener("blur", (event) => {
      if (!(event.relatedTarget as Element | null)?.closest("#searching")) this.close();
    });
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = (event.target as Element).closest("li");
      if (option) this.choose([...this.list.children].indexOf(option));
    });
  }

  focus(): void {
    this.box.focus();
    this.box.select();
  }

  lookFor(words: string): void {
    this.box.value = words;
    this.box.focus();
  }

  private async look(): Promise<void> {
    clearTimeout(this.timer);
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    try {
      const words = this.box.value;
      const { total, fields } = await search(words, MOST, signal);
      this.fields = fields;
      this.answered = words === this.box.value;
      this.active = words && fields.length ? 0 : -1;
      this.show(total > fields.length ? `${fields.length} of ${total}; more words make it fewer` : `${total} found`);
    } catch (error) {
      if (signal.aborted) return;
      this.fields = [];
      this.show(`Cannot search: ${(error as Error).message}`);
    }
  }

  private show(count: string): void {
    this.said.textContent = count;
    this.list.replaceChildren(...this.fields.map((field, place) => this.option(field, place)));
    this.mark();
    found("searching").classList.add("open");
    this.box.setAttribute("aria-expanded", "true");
  }

  private option({ name, units, description, stale }: FieldFound, place: number): HTMLLIElement {
    const about = [stale ? "▲ stale" : "", units, description].filter(Boolean).join(" · ");
    const chosen = this.has(name);
    return element(
      "li",
      { role: "option", id: `found-${place}`, "aria-selected": String(chosen) },
      element("span", { class: "tick", "aria-hidden": "true" }, chosen ? "✓" : ""),
      element("span", { class: "name" }, name),
      element("span", { class: "about" }, about),
    );
  }

  private mark(): void {
    [...this.list.children].forEach((option, place) => option.classList.toggle("active", place === this.active));
    const option = this.list.children[this.active];
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.box.setAttribute("aria-activedescendant", option.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  private choose(place: number): void {
    const field = this.fields[place];
    if (!field) return;
    this.toggle(field.name);
    this.active = place;
    this.list.replaceChildren(...this.fields.map((each, at) => this.option(each, at)));
    this.mark();
  }

  /** Choose what is marked; who types faster than the bridge answers means the first of its answer. */
  private async enter(): Promise<void> {
    if (!this.answered) await this.look();
    if (this.answered) this.choose(this.active);
  }

  private close(): void {
    this.asking.abort();
    clearTimeout(this.timer);
    found("searching").classList.remove("open");
    this.box.setAttribute("aria-expanded", "false");
    this.box.removeAttribute("aria-activedescendant");
  }

  private key(event: KeyboardEvent): void {
    const open = this.box.getAttribute("aria-expanded") === "true";
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (!open) void this.look();
      else if (this.fields.length) this.active = (this.active + step + this.fields.length) % this.fields.length;
      this.mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      void this.enter();
    } else if (event.key === "Escape") {
      if (!open) this.box.blur();
      this.close();
    }
  }
}
