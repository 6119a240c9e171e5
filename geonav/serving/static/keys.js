// The server's key: asked for where it wants one, kept until the tab is closed.

import { useKey } from "./api.js";
import { byId } from "./dom.js";

/** Ask for a key. Rejects with an AbortError when nobody wants to give one. */
export function askKey(wrong) {
  const dialog = byId("key"), field = byId("key-field");
  byId("key-title").textContent = wrong ? "That key was not accepted" : "This server asks for a key";
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve, reject) => {
    dialog.addEventListener("close", () => {
      const given = field.value.trim();
      field.value = "";
      if (dialog.returnValue !== "given" || !given) {
        reject(new DOMException("no key", "AbortError"));
        return;
      }
      useKey(given);
      resolve();
    }, { once: true });
  });
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("key").close("given");
});
byId("key-cancel").addEventListener("click", () => byId("key").close("cancelled"));
