// Colours that people with any kind of colour vision tell apart (Okabe and Ito), and a dash besides.

const LIGHT = ["#0072b2", "#d55e00", "#007a5a", "#a8327e", "#222222", "#2f86c4", "#a86a00"];
const DARK = ["#56b4e9", "#ff9440", "#2fd0a0", "#f09cc8", "#f0f0f0", "#8fb8ff", "#f0e442"];
const DASHES: number[][] = [[], [9, 4], [2, 4], [12, 4, 2, 4]];

export interface Pen {
  colour: string;
  dash: number[];
}

/** How the field at `place` of a plot is drawn; the first ones differ in colour and dash, 28 in one of them. */
export function pen(place: number, dark: boolean): Pen {
  const palette = dark ? DARK : LIGHT;
  return { colour: palette[place % palette.length] as string, dash: DASHES[place % DASHES.length] as number[] };
}

export function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function ink(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
