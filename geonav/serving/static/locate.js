// One photo's way: ask, wait where the server is busy, ask for a key where it wants one.

import { ApiError, Unreachable, hasKey, localize } from "./api.js";

// A server that is busy as often as this is given up on.
const MOST_TRIES = 8;
const USUAL_WAIT_S = 3;

/**
 * Locate a photo.
 *
 * @param {File} file
 * @param {{lat: number, lng: number, within: number} | null} prior where to search
 * @param {{signal: AbortSignal, askKey: (wrong: boolean) => Promise<void>, wait: (seconds: number) => Promise<void>,
 *   sending: () => void}} ui
 */
export async function locate(file, prior, ui) {
  for (let tries = 1; ; tries += 1) {
    ui.sending();
    try {
      return await localize(file, prior, ui.signal);
    } catch (error) {
      if (wantsKey(error)) await ui.askKey(hasKey());
      else if (isBusy(error) && tries < MOST_TRIES) await ui.wait(error.retryAfterS ?? USUAL_WAIT_S);
      else throw error;
    }
  }
}

/** Whether another key may help. */
export const wantsKey = (error) => error instanceof ApiError && (error.status === 401 || (error.status === 403 && hasKey()));

const isBusy = (error) =>
  error instanceof ApiError && (error.status === 429 || (error.status === 503 && error.retryAfterS !== null));

const TITLES = {
  400: "The server did not understand the request", 403: "Not allowed", 404: "The server has no such service",
  413: "The photo is too large", 415: "This is no photo that can be read", 422: "The server cannot use this",
  429: "The server is busy", 503: "The server is not ready", 504: "This photo took too long",
};
const HINTS = {
  413: "Send a smaller copy of it. Keep its EXIF data: the focal length helps.",
  415: "JPEG, PNG, WebP and, where the server can, HEIC are read.",
  429: "Try again in a minute.", 503: "It may still be starting. Try again in a moment.",
  504: "Try again, or search around a place: that is faster.",
};

// The same photo will be refused again.
const FINAL = new Set([400, 413, 415, 422]);

/** What went wrong, for people: {title, text, hint, isFinal}. */
export function explained(error) {
  if (error instanceof Unreachable) {
    return { title: "The server cannot be reached", text: error.message, hint: "Check that it runs and that you are connected, then try again." };
  }
  if (error instanceof ApiError) {
    const title = TITLES[error.status] ?? (error.status >= 500 ? "The server failed" : "The server refused this");
    return { title, text: error.message, hint: HINTS[error.status] ?? "", isFinal: FINAL.has(error.status) };
  }
  return { title: "Something went wrong in this page", text: String(error?.message ?? error), hint: "Load the page again." };
}
