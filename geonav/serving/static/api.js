// The server's interface. All paths are relative, so that the page also works behind a proxy's prefix.

const KEY = "geonav-key";

/** An answer other than 2xx. */
export class ApiError extends Error {
  constructor(status, message, retryAfterS = null) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

let key = remembered();

function remembered() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked: the key lives as long as the page
  }
}

export const hasKey = () => key !== null;

/** Use a key for all that follows, until the tab is closed. */
export function useKey(value) {
  key = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch { /* as above */ }
}

async function call(path, init = {}) {
  const headers = key === null ? {} : { Authorization: `Bearer ${key}` };
  let answer;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable("The server does not answer.");
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function refusal(answer) {
  let said = null;
  try {
    said = (await answer.json()).error?.message;
  } catch { /* a proxy's own page, say */ }
  const message = typeof said === "string" && said ? said : `The server answered ${answer.status}.`;
  return new ApiError(answer.status, message, secondsOf(answer.headers.get("Retry-After")));
}

/** Retry-After is a number of seconds or a date. */
function secondsOf(header) {
  if (header === null) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(Math.ceil(seconds), 1) : null;
}

async function json(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable("The server's answer broke off.");
  }
}

/** What the server locates photos against. */
export const database = async () => json(await call("v1/database"));

/** Where a reference was taken, and by whom. */
export const reference = async (uid, signal) => json(await call(`v1/references/${encodeURIComponent(uid)}`, { signal }));

/** A reference's picture, no side longer than `side` pixels. */
export async function referenceImage(uid, side, signal) {
  const answer = await call(`v1/references/${encodeURIComponent(uid)}/image?max_side=${side}`, { signal });
  return answer.blob();
}

/** Locate a photo. `prior` is {lat, lng, within} or null. */
export async function localize(file, prior, signal) {
  const body = new FormData();
  body.append("photo", file, file.name || "photo.jpg");
  body.append("matches", "true");
  if (prior !== null) {
    body.append("lat", prior.lat);
    body.append("lng", prior.lng);
    body.append("within_m", prior.within);
  }
  return json(await call("v1/localize", { method: "POST", body, signal }));
}
