// Every way a photo comes in: dropped, chosen, taken, pasted.

import { announce, byId } from "./dom.js";

/** Call `onPhoto` with each photo that someone gives. */
export function listenForPhotos(onPhoto) {
  for (const way of ["choose", "take"]) {
    const input = byId(way);
    byId(`${way}-button`).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = ""; // so that the same file can be chosen again
      if (file) onPhoto(file);
    });
  }
  welcomeTouch();
  document.addEventListener("paste", (event) => first(event.clipboardData, onPhoto, event));
  listenForDrops(onPhoto);
}

/** Nothing is dropped with a finger; but what has a touchscreen mostly has a camera. */
function welcomeTouch() {
  if (!(navigator.maxTouchPoints > 0 || matchMedia("(any-pointer: coarse)").matches)) return;
  byId("take-button").hidden = false;
  if (matchMedia("(pointer: fine)").matches && innerWidth > 700) return; // a laptop with both
  byId("lead").textContent = "Begin with a photo";
  byId("or").hidden = true;
}

function listenForDrops(onPhoto) {
  const veil = byId("dropping");
  let depth = 0; // enter and leave come for every element under the pointer
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  const cover = (change) => { depth = Math.max(0, depth + change); veil.hidden = depth === 0; };
  document.addEventListener("dragenter", (event) => { if (isFile(event)) { event.preventDefault(); cover(1); } });
  document.addEventListener("dragleave", (event) => { if (isFile(event)) cover(-1); });
  document.addEventListener("dragover", (event) => { if (isFile(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    cover(-depth);
    first(event.dataTransfer, onPhoto, event);
  });
}

function first(transfer, onPhoto, event) {
  const files = [...(transfer?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  if (files.length > 1) announce(`${files.length} files; the first is taken`);
  onPhoto(files.find((file) => file.type.startsWith("image/")) ?? files[0]);
}
