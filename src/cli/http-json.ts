/**
 * One JSON request to a server: all that the command line needs of HTTP.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface JsonResponse {
  readonly status: number;
  /** `{}` if the answer is not a JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
}

const TIMEOUT_MS = 30_000;
const LONGEST_ANSWER = 1024 * 1024;

/** @throws Error from Node when there is no connection, or no answer in 30 s */
export function sendJson(method: 'GET' | 'POST', url: URL, body?: unknown): Promise<JsonResponse> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const request = send(url, { method, headers, timeout: TIMEOUT_MS }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        answer += chunk;
        if (answer.length > LONGEST_ANSWER) response.destroy(new Error('the answer is too long'));
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: parseObject(answer) });
      });
    });
    request.on('timeout', () => {
      request.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`));
    });
    request.on('error', reject);
    request.end(text);
  });
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
