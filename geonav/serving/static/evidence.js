// The photo beside the references that it was compared with.

import { referenceImage } from "./api.js";
import { byId, element } from "./dom.js";
import { between } from "./geo.js";
import { Lines } from "./lines.js";
import { compass, count, metres } from "./words.js";

const LARGE_PX = 1024, SMALL_PX = 320;
// More references than this are no evidence any more, only a long list.
const MOST_MATCHED = 12, MOST_ALIKE = 6;

/** The references worth showing, best first, numbered: those that matched where there is a pose. */
export function worthShowing(result) {
  const found = result.references ?? [];
  const matched = found.filter((each) => each.num_matches > 0);
  const chosen = result.status === "located" && matched.length > 0 ? matched : found;
  const best = [...chosen].sort((a, b) => b.num_inliers - a.num_inliers || b.num_matches - a.num_matches || b.score - a.score);
  return best.slice(0, chosen === matched ? MOST_MATCHED : MOST_ALIKE).map((each, i) => ({ ...each, number: i + 1 }));
}

export class Evidence {
  #lines;
  #pictures = new Map();
  #shown = [];
  #result = null;
  #selected = null;
  #stopped = new AbortController();
  #onSelect;

  constructor(onSelect) {
    this.#onSelect = onSelect;
    const frames = ["pair-photo", "pair-reference"].map((id) => byId(id).querySelector(".frame"));
    this.#lines = new Lines(byId("lines"), frames);
    for (const kind of ["in", "out"]) {
      byId(`show-${kind}`).addEventListener("change", (event) => this.#lines.show(kind, event.target.checked));
    }
  }

  clear() {
    this.#stopped.abort();
    this.#stopped = new AbortController();
    for (const url of this.#pictures.values()) url.then(URL.revokeObjectURL, () => {});
    this.#pictures.clear();
    byId("evidence").hidden = true;
    this.#selected = null;
  }

  /** Show a result. `shown` are numbered references; `places` their metadata by uid, where it is known. */
  show(result, photo, shown, places) {
    this.clear();
    if (shown.length === 0) return;
    [this.#result, this.#shown] = [result, shown];
    byId("evidence").hidden = false;
    byId("evidence-title").textContent = result.status === "located" ? "Matched references" : "What it looked most like";
    fill("pair-photo", photo.url, result.query_size, "Your photo");
    byId("references").className = `references ${result.status === "located" ? "" : "alike-list"}`;
    byId("references").replaceChildren(...shown.map((each) => this.#choice(each, places.get(each.uid))));
    this.select(shown[0].uid);
  }

  select(uid) {
    const chosen = this.#shown.find((each) => each.uid === uid);
    if (chosen === undefined) return;
    this.#selected = uid;
    for (const button of byId("references").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.uid === uid));
    }
    const matches = (this.#result.matches ?? []).find((each) => each.uid === uid) ?? null;
    const title = `Reference ${chosen.number}: ${uid}`;
    fill("pair-reference", null, matches?.size ?? null, title);
    byId("pair-reference").querySelector("figcaption").textContent = title;
    this.#tell(chosen, matches);
    this.#lines.set(matches, this.#result.query_size ?? [1, 1]);
    this.#load(uid, LARGE_PX).then((url) => {
      if (this.#selected === uid) fill("pair-reference", url, matches?.size ?? null, title);
      this.#lines.draw();
    }, () => { if (this.#selected === uid) byId("pair-words").textContent += " Its picture could not be loaded."; });
    this.#onSelect(uid);
  }

  #tell(chosen, matches) {
    const all = matches?.inlier.length ?? 0, agree = matches?.inlier.filter(Boolean).length ?? 0;
    byId("kinds").hidden = all === 0;
    byId("count-in").textContent = `${agree.toLocaleString("en")} agree${this.#result.status === "located" ? "" : " with each other"}`;
    byId("count-out").textContent = `${(all - agree).toLocaleString("en")} do not`;
    const located = this.#result.status === "located";
    // Where nothing agrees, the doubtful lines are all there is to see.
    const shown = { in: true, out: !located || agree === 0 };
    for (const kind of ["in", "out"]) {
      byId(`show-${kind}`).checked = shown[kind];
      this.#lines.show(kind, shown[kind]);
    }
    const words = all === 0
      ? "It was found by its looks; no matched points were sent."
      : located
        ? `${agree.toLocaleString("en")} of ${count(all, "matched point")} agree with the position.`
        : `${count(all, "point")} matched; no position explains enough of them.`;
    byId("pair-words").textContent = words;
    byId("lines").setAttribute("aria-label", `Lines between the photo and reference ${chosen.number}. ${words}`);
  }

  #choice(reference, place) {
    const picture = element("img", { alt: "", width: 120, height: 90 });
    this.#load(reference.uid, SMALL_PX).then((url) => { picture.src = url; }, () => picture.classList.add("missing"));
    const words = choiceWords(reference, place, this.#result);
    const button = element("button", { type: "button", "aria-pressed": "false", "data-uid": reference.uid },
      picture,
      element("span", { class: "number" }, String(reference.number)),
      element("span", { class: "words" }, element("b", {}, reference.uid), ...words.map((line) => element("span", {}, line))));
    button.addEventListener("click", () => this.select(reference.uid));
    return element("li", {}, button);
  }

  #load(uid, side) {
    const name = `${side} ${uid}`;
    if (!this.#pictures.has(name)) {
      const url = referenceImage(uid, side, this.#stopped.signal).then((blob) => URL.createObjectURL(blob));
      url.catch(() => {});
      this.#pictures.set(name, url);
    }
    return this.#pictures.get(name);
  }
}

function choiceWords(reference, place, result) {
  const lines = [];
  if (result.status === "located") lines.push(`${reference.num_inliers.toLocaleString("en")} of ${reference.num_matches.toLocaleString("en")} agree`);
  else if (reference.num_matches > 0) lines.push(`${count(reference.num_matches, "point")} matched`);
  if (result.status === "located" && place) {
    const { metres: far, azimuth } = between(result, place);
    lines.push(`${metres(far)} to the ${compass(azimuth)}`);
  } else {
    lines.push(reference.score < 0.005 ? "hardly alike" : `similarity ${reference.score.toFixed(2)}`);
  }
  return lines;
}

/** Put a picture into a figure. Its frame has the picture's shape before the picture is there. */
function fill(figure, url, size, alt) {
  const frame = byId(figure).querySelector(".frame");
  frame.style.aspectRatio = size ? `${size[0]} / ${size[1]}` : "";
  // A tall picture gets narrower rather than taller than the window, or flatter than it is.
  frame.style.maxWidth = size ? `calc(80vh * ${size[0] / size[1]})` : "";
  if (url === null) {
    frame.replaceChildren();
    return;
  }
  const picture = element("img", { src: url, alt });
  picture.addEventListener("error", () => frame.replaceChildren(
    element("p", { class: "soft" }, "This browser cannot show the picture; the server can read it all the same.")));
  frame.replaceChildren(picture);
}
