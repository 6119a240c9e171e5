// Lines between two pictures that stand beside or above each other: solid with dots where a match agrees with the
// position, dashed with crosses where it does not.

// A pointer this near to a keypoint shows its match alone.
const NEAR_PX = 14;
// More lines than these, for every hundred pixels that they cross, hide what they join; points all stay.
const MOST_LINES = 22;
const STYLES = {
  in: { colour: "#3df59b", dash: [], width: 1.4 },
  out: { colour: "#ffb14a", dash: [5, 4], width: 1.3 },
};
const HALO = "rgb(0 0 0 / .55)";

export class Lines {
  #canvas;
  #frames;
  #matches = [];
  #shown = { in: true, out: false };
  #near = null;
  #pending = false;

  /** @param frames the two elements that the pictures fill */
  constructor(canvas, frames) {
    this.#canvas = canvas;
    this.#frames = frames;
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    canvas.addEventListener("pointermove", (event) => this.#point(event));
    canvas.addEventListener("pointerleave", () => { this.#near = null; this.draw(); });
  }

  /** Show matches, as the server gives them, of a photo of `querySize`; null for none. */
  set(matches, querySize) {
    const { query = [], reference = [], inlier = [], size = [1, 1] } = matches ?? {};
    this.#matches = query.map((at, i) => ({
      kind: inlier[i] ? "in" : "out",
      ends: [[at[0] / querySize[0], at[1] / querySize[1]], [reference[i][0] / size[0], reference[i][1] / size[1]]],
    }));
    this.#near = null;
    this.draw();
  }

  show(kind, whether) {
    this.#shown[kind] = whether;
    this.draw();
  }

  draw() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => { this.#pending = false; this.#paint(); });
  }

  #boxes() {
    const origin = this.#canvas.getBoundingClientRect();
    return this.#frames.map((frame) => {
      const box = frame.getBoundingClientRect();
      return { x: box.left - origin.left, y: box.top - origin.top, w: box.width, h: box.height };
    });
  }

  #placed(boxes) {
    return this.#matches.filter((match) => this.#shown[match.kind]).map((match) => ({
      match, ends: match.ends.map(([x, y], i) => [boxes[i].x + x * boxes[i].w, boxes[i].y + y * boxes[i].h]),
    }));
  }

  #paint() {
    const scale = window.devicePixelRatio || 1, canvas = this.#canvas;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const placed = this.#placed(this.#boxes());
    // Those that disagree first, so that they never hide those that agree.
    placed.sort((a, b) => (a.match.kind < b.match.kind) - (a.match.kind > b.match.kind));
    const usual = this.#near === null ? 0.8 : 0.12;
    const least = Math.min(...this.#boxes().map((box) => Math.min(box.w, box.h)));
    const every = Math.max(1, placed.length / ((MOST_LINES * least) / 100));
    pen.globalAlpha = usual;
    const isJoined = (i) => Math.floor(i / every) !== Math.floor((i - 1) / every);
    const [joined, alone] = [placed.filter((_, i) => isJoined(i)), placed.filter((_, i) => !isJoined(i))];
    for (const each of alone) mark(pen, each, Math.max(0.8, Math.min(1.4, least / 220)));
    for (const each of joined) stroke(pen, each, 1);
    pen.globalAlpha = 1;
    for (const each of placed) if (each.match === this.#near) stroke(pen, each, 2);
  }

  #point(event) {
    const origin = this.#canvas.getBoundingClientRect();
    const x = event.clientX - origin.left, y = event.clientY - origin.top;
    let best = NEAR_PX, near = null;
    for (const { match, ends } of this.#placed(this.#boxes())) {
      const distance = Math.min(...ends.map((end) => Math.hypot(end[0] - x, end[1] - y)));
      if (distance < best) [best, near] = [distance, match];
    }
    if (near === this.#near) return;
    this.#near = near;
    this.draw();
  }
}

/** The points of a match without its line. */
function mark(pen, { match, ends }, size) {
  const signs = new Path2D();
  for (const [x, y] of ends) sign(signs, match.kind, x, y, size);
  pen.fillStyle = pen.strokeStyle = STYLES[match.kind].colour;
  pen.lineWidth = 1;
  if (match.kind === "in") pen.fill(signs);
  else pen.stroke(signs);
}

function stroke(pen, { match, ends }, weight) {
  const style = STYLES[match.kind];
  const path = new Path2D(), signs = new Path2D();
  path.moveTo(...ends[0]);
  path.lineTo(...ends[1]);
  for (const [x, y] of ends) sign(signs, match.kind, x, y, 2.2 * weight);
  for (const [colour, extra] of [[HALO, 1.4], [style.colour, 0]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = style.width * weight + extra;
    pen.setLineDash(style.dash);
    pen.stroke(path);
    pen.setLineDash([]);
    pen.stroke(signs);
  }
}

function sign(path, kind, x, y, size) {
  if (kind === "in") {
    path.moveTo(x + size, y);
    path.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  path.moveTo(x - size, y - size);
  path.lineTo(x + size, y + size);
  path.moveTo(x + size, y - size);
  path.lineTo(x - size, y + size);
}
