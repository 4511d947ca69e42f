/** The gateway's health paths. */
import { healthAnswer, type HealthOptions } from "../services/runtime/health.js";
import { send, type HttpResponse } from "./http.js";

/** Answers the health paths; false when the path is none of them. */
export async function serveHealth(
  options: HealthOptions,
  path: string,
  response: HttpResponse,
): Promise<boolean> {
  const answer = await healthAnswer(options, path);
  if (!answer) return false;
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  send(response, answer.httpStatus, headers, answer.body);
  return true;
}
