// The sheet: lines on a canvas, in units of their own, scaled to what the window has.
// Where lines come from and where they go is board.js.

/** The size of the sheet, as the server checks it. */
export const WIDTH = 1600;
export const HEIGHT = 1000;
/** Lines that the page keeps to draw them again; older ones stay until then. */
const LINES_MAX = 20_000;

/** What the numbers of the colours mean, by the background. */
const COLOURS = {
  light: ["#1f2430", "#e03131", "#f08c00", "#2f9e44", "#1971c2", "#6741d9", "#d6336c", "#868e96"],
  dark: ["#f1f3f5", "#ff6b6b", "#ffc078", "#69db7c", "#74c0fc", "#b197fc", "#faa2c1", "#868e96"],
};
export const COLOUR_NAMES = ["ink", "red", "orange", "green", "blue", "violet", "pink", "grey"];

const dark = matchMedia("(prefers-color-scheme: dark)");
export const colours = () => (dark.matches ? COLOURS.dark : COLOURS.light);
export const onColours = (changed) => dark.addEventListener("change", changed);

/** A canvas that draws lines and can draw them again. */
export class Drawing {
  #context;
  #lines = [];

  constructor(canvas) {
    this.#context = canvas.getContext("2d");
  }

  get lines() {
    return this.#lines;
  }

  /** Puts these lines in place of all others. */
  reset(lines) {
    this.#lines = lines;
    this.redraw();
  }

  add(line) {
    this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) {
      this.#lines.shift();
    }
    this.#draw(line);
  }

  /** Fits the canvas to its size on the screen. */
  fit() {
    const canvas = this.#context.canvas;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    this.redraw();
  }

  redraw() {
    const { canvas } = this.#context;
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, canvas.width, canvas.height);
    this.#context.setTransform(canvas.width / WIDTH, 0, 0, canvas.height / HEIGHT, 0, 0);
    this.#context.lineCap = "round";
    this.#context.lineJoin = "round";
    this.#lines.forEach((line) => this.#draw(line));
  }

  #draw({ colour, thickness, points }) {
    const [[x, y], ...rest] = points;
    this.#context.strokeStyle = colours()[colour];
    this.#context.lineWidth = thickness;
    this.#context.beginPath();
    this.#context.moveTo(x, y);
    // A dot is a line to where it began.
    (rest.length ? rest : [[x, y]]).forEach((point) => this.#context.lineTo(...point));
    this.#context.stroke();
  }
}
