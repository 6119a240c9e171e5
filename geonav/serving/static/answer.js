// The result in figures and words.

import { announce, byId, copy, element } from "./dom.js";
import { fieldOfView } from "./geo.js";
import { calibration, compass, coordinates, count, datum, degrees, metres, seconds, sentence, tilt, within95 } from "./words.js";

const TITLES = { located: "Located", retrieved_only: "Place recognised, position not sure", not_located: "Not located" };
const TONES = { located: "good", retrieved_only: "weak", not_located: "bad" };
const TRY = {
  retrieved_only: [
    "Take another photo a few steps aside, or one that shows more of the buildings.",
    "Say roughly where it was taken: fewer places then look alike.",
    "Send the camera’s original: cropped and edited copies hide the focal length.",
  ],
  not_located: [
    "Check that the place lies in the area on the map.",
    "Send a sharp photo by day that shows buildings, not mostly sky, trees or people.",
    "Say roughly where it was taken.",
  ],
};

/** Show a result; returns its title, which says it all in one line. */
export function showResult(result) {
  const title = setTitle(TITLES[result.status] ?? result.status, TONES[result.status] ?? "bad");
  const parts = result.status === "located" ? located(result) : refused(result);
  const notes = result.notes ?? [];
  if (notes.length > 0) parts.push(element("h3", {}, "Notes"), list(notes));
  parts.push(details(result));
  byId("answer-body").replaceChildren(...parts);
  return title;
}

/** Show what went wrong; `again` is called by the button that stands there where trying again can help. */
export function showProblem({ title, text, hint, isFinal }, again) {
  setTitle(title, "bad");
  const button = element("button", { type: "button", class: "primary" }, "Try again");
  button.addEventListener("click", again);
  byId("answer-body").replaceChildren(
    element("p", {}, sentence(text)), hint ? element("p", { class: "soft" }, hint) : "", isFinal ? "" : element("p", { class: "buttons" }, button));
}

/** One line that says the outcome to those who do not see it. */
export function spoken(result) {
  if (result.status !== "located") return `${TITLES[result.status]}. ${result.reason ?? ""}`;
  return `Located at ${coordinates(result.lat, result.lng)}, within ${metres(result.ellipse_95.semi_major_m)}, `
    + `looking ${compass(result.azimuth)}.`;
}

function setTitle(text, tone) {
  const title = byId("answer-title");
  title.textContent = text;
  byId("answer").hidden = false;
  byId("answer").className = `card tone ${tone}`;
  return title;
}

function located(result) {
  const place = coordinates(result.lat, result.lng), { ellipse_95: ellipse, position_std_m: std } = result;
  const sides = fieldOfView(result.K, result.query_size);
  const used = (result.references ?? []).filter((each) => each.num_inliers > 0).length;
  const rows = [
    ["Accuracy", `95 % sure to lie within ${metres(ellipse.semi_major_m)}`,
      `ellipse ${metres(ellipse.semi_major_m)} × ${metres(ellipse.semi_minor_m)}, longer towards ${compass(ellipse.azimuth_deg)}`],
    result.alt === null || result.alt === undefined ? null
      : ["Height", `${result.alt.toFixed(2)}\u00a0m ± ${metres(within95(std.up))}`, datum(result.alt_datum)],
    ["Looking", `${degrees(result.azimuth)} ${compass(result.azimuth)}`,
      result.azimuth_std_deg === null || result.azimuth_std_deg === undefined ? "from true north"
        : `± ${degrees(within95(result.azimuth_std_deg))} (95 %), from true north`],
    typeof result.pitch === "number" && typeof result.roll === "number" ? ["Tilt", tilt(result.pitch, result.roll), ""] : null,
    sides ? ["Field of view", degrees(sides.left + sides.right), calibration(result.K_source)] : null,
    ["Evidence", `${count(result.num_inliers, "point")} of the photo agree`, `with ${count(used, "reference")}`],
  ];
  return [placeLine(place), element("dl", {}, ...rows.filter(Boolean).flatMap(([name, value, more]) => [
    element("dt", {}, name),
    element("dd", {}, value, more ? element("span", { class: "soft" }, more) : ""),
  ]))];
}

function placeLine(place) {
  const button = element("button", { type: "button", "aria-label": "Copy latitude and longitude" }, "Copy");
  button.addEventListener("click", async () => {
    const worked = await copy(place);
    button.textContent = worked ? "Copied" : "Select and copy";
    announce(worked ? "Copied" : "Copying is not allowed here");
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  });
  return element("p", { class: "place" }, element("span", { id: "place" }, place), button);
}

function refused(result) {
  const parts = [];
  if (result.reason) parts.push(element("p", { class: "reason" }, sentence(result.reason)));
  parts.push(element("h3", {}, "What to try"), list(TRY[result.status] ?? []));
  if ((result.references ?? []).length > 0) {
    parts.push(element("p", { class: "soft" }, "The references it looked most like are on the map. They do not say where it was taken."));
  }
  return parts;
}

function details(result) {
  const stages = Object.entries(result.seconds ?? {}), total = stages.reduce((sum, [, time]) => sum + time, 0);
  const save = element("a", { class: "button", download: "geonav-result.json" }, "Save as JSON");
  save.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 2)], { type: "application/json" }));
  const table = element("table", {}, element("caption", { class: "visually-hidden" }, "Seconds of each stage"),
    element("tbody", {}, ...stages.map(([name, time]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, seconds(time))))));
  return element("details", { class: "more" }, element("summary", {}, stages.length > 0 ? `Took ${seconds(total)}` : "More"),
    stages.length > 0 ? table : "", result.geonav_version ? element("p", { class: "soft" }, `geonav ${result.geonav_version}`) : "",
    element("p", { class: "buttons" }, save));
}

const list = (lines) => element("ul", {}, ...lines.map((line) => element("li", {}, line)));
