// Asking the studio: one place that knows of tokens, of the word of this start, and of what goes wrong.

let word = "";
let token = "";

export class Wrong extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const useToken = (given) => { token = given; };

async function call(path, options) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = "Bearer " + token;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Wrong("gone", "The studio does not answer. Does it still run in its terminal?");
  }
  const said = await answer.json().catch(() => null);
  if (!answer.ok) throw new Wrong(said?.error ?? "internal", said?.message ?? `The studio answered ${answer.status}.`);
  return said;
}

export async function about() {
  const said = await call("about", { method: "GET" });
  word = said.word;
  return said;
}

export const job = () => call("job", { method: "GET" });

export function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Recprune-Page": word };
  return call(path, { method: "POST", headers, body: JSON.stringify(body) });
}
