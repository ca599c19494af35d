/* The main job as a client developer writes it: types generated from the API document, calls through openapi-fetch.

   node build/main_job.mjs BASE_URL BACKGROUND RECORDING PICTURE
   Prints the finished job as JSON. */
import { readFile } from "node:fs/promises";

import createClient, { type Middleware } from "openapi-fetch";

import type { components, paths } from "./build/duologue.js";

type Character = components["schemas"]["CharacterAnswer"];
type Job = components["schemas"]["VideoJobAnswer"];
type Refusal = components["schemas"]["Error"];

const POLL_MILLISECONDS = 500;
const PATIENCE_MILLISECONDS = 240_000;

const [baseUrl, background, recordingFile, pictureFile] = process.argv.slice(2);
if (!baseUrl || !background || !recordingFile || !pictureFile) throw new Error("four arguments are needed");

let token = "";
const signedIn: Middleware = {
  onRequest({ request }) {
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
};
const api = createClient<paths>({ baseUrl });
api.use(signedIn);

/* What came back, or the refusal as an exception. */
function answerOf<Answer>(result: { data?: Answer; error?: Refusal; response: Response }): Answer {
  if (result.error !== undefined) throw new Error(`${result.response.status} ${result.error.error.code}`);
  if (result.data === undefined) throw new Error(`${result.response.status} without a body`);
  return result.data;
}

/* openapi-typescript calls a file in a form a string; what is sent is the Blob. */
function file(content: Uint8Array<ArrayBuffer>): string {
  return new Blob([content]) as unknown as string;
}

function form(fields: Record<string, unknown>): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of Array.isArray(value) ? value : [value]) made.append(name, each instanceof Blob ? each : String(each));
  }
  return made;
}

async function signUp(): Promise<void> {
  const email = `typescript-${crypto.randomUUID()}@example.com`;
  const body = { name: "Type Script", email, password: "a good password" };
  const signedUp = answerOf(await api.POST("/api/signup", { body }));
  token = signedUp.token;
  const me = answerOf(await api.GET("/api/me"));
  if (me.tokens !== signedUp.user.tokens) throw new Error("the balance differs");
}

async function createCharacter(displayName: string): Promise<Character> {
  const [recording, picture] = await Promise.all([readFile(recordingFile!), readFile(pictureFile!)]);
  return answerOf(
    await api.POST("/api/characters/complete", {
      params: { header: { "Idempotency-Key": crypto.randomUUID() } },
      body: { displayName, speed: 1.1, audioFile: file(new Uint8Array(recording)), imageFiles: [file(new Uint8Array(picture))] },
      bodySerializer: form,
    }),
  );
}

async function finished(jobId: string): Promise<Job> {
  for (const end = Date.now() + PATIENCE_MILLISECONDS; Date.now() < end; ) {
    const job = answerOf(await api.GET("/api/video-jobs/{jobId}", { params: { path: { jobId } } }));
    if (job.status === "completed" || job.status === "failed") return job;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  throw new Error(`job ${jobId} has not ended`);
}

await signUp();
const first = await createCharacter("Ada");
const second = await createCharacter("Ben");
const written = answerOf(
  await api.POST("/api/scripts/generate", {
    body: { selectedCharacters: [first.id, second.id], prompt: "Two neighbours talk about a radio." },
  }),
);
const path = { scriptId: written.id };
const dialogue = [
  { speaker: first.id, text: "Did my radio arrive?" },
  { speaker: second.id, text: "It did." },
];
answerOf(await api.PUT("/api/scripts/{scriptId}", { params: { path }, body: { dialogue } }));
const started = answerOf(
  await api.POST("/api/scripts/{scriptId}/generate-video", {
    params: { path, header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { backgroundVideo: background },
  }),
);
const job = await finished(started.job.jobId);
const { scripts } = answerOf(await api.GET("/api/my-scripts", { params: { query: { limit: 1 } } }));
const videoPath = scripts[0]?.finalVideoPath ?? null;
const head = videoPath ? await fetch(baseUrl + videoPath, { headers: { Range: "bytes=0-11" } }) : null;
console.log(JSON.stringify({ status: job.status, videoPath, contentType: head?.headers.get("Content-Type") ?? null }));
