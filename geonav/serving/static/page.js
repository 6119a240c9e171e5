// The page's course: a photo comes in, the server is asked, the answer is shown.

import { database, hasKey, reference } from "./api.js";
import { showProblem, showResult, spoken } from "./answer.js";
import { Busy } from "./busy.js";
import { listenForPhotos } from "./choosing.js";
import { announce, byId, element, stillness } from "./dom.js";
import { Evidence, worthShowing } from "./evidence.js";
import { askKey } from "./keys.js";
import { explained, locate, wantsKey } from "./locate.js";
import { Marks, legendOf } from "./marks.js";
import { Prior } from "./prior.js";
import { bytes, count } from "./words.js";

const busy = new Busy();
let photo = null; // {file, url} that is looked at
const shownOnMap = { result: null, searched: null };
let running = null; // AbortController of the request on its way

const marks = new Marks(byId("map"), tiles(), (place) => prior.picked(place));
const prior = new Prior(() => marks, (searched) => legend({ searched }));
const evidence = new Evidence((uid) => marks.select(uid));

function tiles() {
  const { content: url, dataset } = document.querySelector("meta[name=geonav-tiles]");
  return url === "" ? null : { url, attribution: dataset.attribution };
}

/** Say what this server knows; ask for a key right away where it wants one. */
async function introduce() {
  let told = null;
  while (told === null) {
    try {
      told = await database();
    } catch (error) {
      if (!wantsKey(error)) {
        byId("about").textContent = explained(error).title;
        return;
      }
      try {
        await askKey(hasKey());
      } catch {
        byId("about").textContent = "This server asks for a key.";
        return;
      }
    }
  }
  byId("about").textContent = [told.name, count(told.count, "reference photo")].filter(Boolean).join(" · ");
  if (told.bounds) marks.showArea(told.bounds);
  credit(told.attribution);
}

function credit(attribution) {
  const named = [attribution].flat().filter((each) => typeof each === "string" && each !== "");
  const parts = [];
  if (named.length > 0) parts.push(`References: ${named.join(", ")}`);
  const map = tiles()?.attribution;
  if (map) parts.push(`Map: ${map}`);
  byId("credits").textContent = parts.join(" · ");
}

function take(file) {
  if (photo !== null) URL.revokeObjectURL(photo.url);
  photo = { file, url: URL.createObjectURL(file) };
  byId("thumb").src = photo.url;
  byId("name").textContent = file.name || "Photo";
  byId("size").textContent = bytes(file.size);
  byId("invite").hidden = true;
  byId("chosen").hidden = false;
  byId("choose-button").textContent = "Another photo";
  byId("choose-button").classList.remove("primary");
  run();
}

async function run() {
  let where;
  try {
    where = prior.value();
  } catch (error) {
    prior.complain(error);
    byId("again").hidden = false;
    return;
  }
  running?.abort();
  const mine = new AbortController();
  running = mine;
  begin();
  try {
    const result = await locate(photo.file, where, { signal: mine.signal, askKey, wait: (s) => waiting(s, mine.signal), sending });
    if (running === mine) await finish(result);
  } catch (error) {
    if (running === mine) fail(error);
  }
}

function begin() {
  const held = byId("choosers").contains(document.activeElement) || document.activeElement === document.body;
  byId("answer").hidden = true;
  evidence.clear();
  marks.clear();
  legend({ result: null });
  busy.start("Locating");
  byId("choosers").hidden = true;
  if (held) byId("cancel").focus({ preventScroll: true });
  announce("Locating the photo");
}

function sending() {
  busy.say("Locating");
}

function waiting(seconds, signal) {
  announce(`The server is busy. Trying again in ${seconds} seconds.`);
  return busy.wait(seconds, signal);
}

function end() {
  const held = byId("busy").contains(document.activeElement) || document.activeElement === document.body;
  running = null;
  busy.stop();
  byId("choosers").hidden = false;
  byId("again").hidden = false;
  return held;
}

async function finish(result) {
  const held = end();
  const title = showResult(result);
  legend({ result });
  announce(spoken(result));
  if (held) title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "nearest", behavior: stillness() ? "auto" : "smooth" });
  const shown = worthShowing(result), current = photo;
  marks.show(result, [], () => {}); // at once; references follow when the server has told where they stand
  const places = await whereabouts(shown);
  if (current !== photo || running !== null) return; // another photo has come meanwhile
  const known = shown.filter((each) => places.has(each.uid)).map((each) => ({
    ...places.get(each.uid), uid: each.uid, number: each.number, label: each.uid,
  }));
  marks.show(result, known, (uid) => { evidence.select(uid); byId("evidence").scrollIntoView({ block: "nearest" }); });
  evidence.show(result, photo, shown, places);
}

/** Where references stand, by uid; those of which the server does not tell are left out. */
async function whereabouts(shown) {
  const told = await Promise.allSettled(shown.map((each) => reference(each.uid)));
  const found = new Map();
  told.forEach(({ value }, i) => {
    if (typeof value?.lat === "number" && typeof value?.lng === "number") found.set(shown[i].uid, value);
  });
  return found;
}

function fail(error) {
  const held = end();
  if (error.name === "AbortError") {
    announce("Cancelled");
    if (held) byId("again").focus({ preventScroll: true });
    return;
  }
  const problem = explained(error);
  showProblem(problem, run);
  announce(`${problem.title}. ${problem.text}`);
  if (held) byId("answer-title").focus({ preventScroll: true });
}

/** Explain what the map shows now; what is left out stays as it was. */
function legend(change) {
  Object.assign(shownOnMap, change);
  byId("legend").replaceChildren(...legendOf(shownOnMap.result, shownOnMap.searched).map(([kind, words]) =>
    element("li", {}, element("span", { class: `sign ${kind}`, "aria-hidden": "true" }), words)));
}

byId("cancel").addEventListener("click", () => running?.abort());
byId("again").addEventListener("click", run);
listenForPhotos(take);
legend({});
introduce();
