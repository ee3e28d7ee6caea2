/** What an error of the container engine means for a job. Pure; every row is tested. */

import { isJobFailure, JobFailure, type FailureType } from '../../workflows/contract/failures.ts';

/** What was being done when the engine failed; the same text means different things. */
export type DockerStep = 'pull' | 'privatePull' | 'create' | 'start' | 'other';

interface EngineError {
  readonly statusCode: number | undefined;
  readonly code: string | undefined;
  readonly text: string;
}

interface Rule {
  readonly steps: readonly DockerStep[];
  readonly when: RegExp | ((err: EngineError) => boolean);
  readonly type: FailureType;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

const anyPull: readonly DockerStep[] = ['pull', 'privatePull'];
const anyStep: readonly DockerStep[] = [...anyPull, 'create', 'start', 'other'];
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

const isRefused = ({ statusCode = 0, text }: EngineError): boolean =>
  [401, 403, 404].includes(statusCode) ||
  /manifest unknown|name unknown|not found|no such image|does not exist|denied|unauthori[sz]ed|authentication required|insufficient_scope|forbidden|no basic auth credentials|invalid username/i.test(
    text,
  );

/** The first rule that fits decides. */
const rules: readonly Rule[] = [
  {
    steps: anyStep,
    when: (err) => err.statusCode === undefined && (socketCodes.has(err.code ?? '') || /socket hang up/i.test(err.text)),
    type: 'RuntimeUnavailable',
    message: 'the container engine cannot be reached; it is tried again',
    retryAfterSeconds: 5,
  },
  {
    steps: anyStep,
    when: /no space left on device|disk quota exceeded/i,
    type: 'RuntimeUnavailable',
    message: 'the container engine has no disk space left; it is tried again',
    retryAfterSeconds: 60,
  },
  {
    steps: anyPull,
    when: (err) => err.statusCode === 429 || /toomanyrequests|too many requests|rate limit|\b429\b/i.test(err.text),
    type: 'ImagePullFailed',
    message: 'the image registry limits its callers; it is tried again',
    retryAfterSeconds: 60,
  },
  {
    steps: anyPull,
    when: /invalid reference|invalid image name|parsing (image|reference|normalized)|repository name must|must be lowercase|invalid tag|invalid checksum|unsupported digest/i,
    type: 'ImageUnavailable',
    message: 'the name of the algorithm image is not valid; correct image, tag and checksum',
  },
  {
    steps: anyPull,
    when: /no matching manifest|no image found in (manifest|image index)|does not match the specified platform/i,
    type: 'ImageUnavailable',
    message: 'the algorithm image does not exist for the processor type of this environment',
  },
  {
    steps: anyPull,
    when: /no such host|i\/o timeout|connection (refused|reset|timed out)|network is unreachable|tls handshake|unexpected eof|\beof\b|temporary failure|bad gateway|service unavailable|gateway time-?out|internal server error from registry|received unexpected http status: 5\d\d|status(?: code)?:? 5\d\d/i,
    type: 'ImagePullFailed',
    message: 'the image registry does not answer properly; it is tried again',
    retryAfterSeconds: 15,
  },
  {
    steps: ['pull'],
    when: isRefused,
    type: 'ImageUnavailable',
    message: 'the algorithm image does not exist or is not public; check image, tag and checksum',
  },
  {
    steps: ['privatePull'],
    when: isRefused,
    type: 'ImageUnavailable',
    message:
      'the image registry refuses the credentials of this job, or does not have the algorithm image; check encryptedDockerRegistryAuth, image, tag and checksum',
  },
  {
    steps: anyPull,
    when: () => true,
    type: 'ImagePullFailed',
    message: 'the algorithm image could not be pulled; it is tried again',
    retryAfterSeconds: 15,
  },
  {
    steps: ['create', 'start'],
    when: /unable to find user|no matching entries in passwd|unknown user/i,
    type: 'ImageUnavailable',
    message: 'the algorithm image names a user that it does not contain',
  },
  {
    steps: ['create', 'start'],
    when: /cannot allocate memory|resource temporarily unavailable|too many open files|device or resource busy/i,
    type: 'RuntimeUnavailable',
    message: 'the container engine is short of resources; it is tried again',
    retryAfterSeconds: 15,
  },
  {
    steps: ['create', 'start'],
    when: (err) =>
      err.statusCode === 400 ||
      /oci runtime|runc create|crun:|chdir to cwd|executable file not found|invalid (mount|argument|config)/i.test(err.text),
    type: 'ContainerFailed',
    message: 'the container engine refuses the containers of this job',
  },
  {
    steps: anyStep,
    when: (err) => err.statusCode !== undefined && err.statusCode >= 500,
    type: 'RuntimeUnavailable',
    message: 'the container engine failed; it is tried again',
    retryAfterSeconds: 5,
  },
];

/**
 * The failure that an engine's error stands for.
 * @param err what dockerode threw, or an `Error` with the text of a pull's error line
 * @param step what was being done
 * @returns a JobFailure where a rule knows the error, else `err` itself as an Error, which Temporal retries.
 *   The engine's own text is kept as `cause` only: it may name registries and paths
 */
export const dockerFailure = (err: unknown, step: DockerStep): Error => {
  if (isJobFailure(err)) return err;
  const seen = engineError(err);
  const rule = rules.find(({ steps, when }) => steps.includes(step) && (typeof when === 'function' ? when(seen) : when.test(seen.text)));
  if (rule === undefined) return err instanceof Error ? err : new Error(seen.text);
  const { type, message, retryAfterSeconds } = rule;
  return new JobFailure(type, message, { cause: err, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) });
};

/** True for an HTTP answer of the engine with one of these status numbers. */
export const hasStatus = (err: unknown, ...numbers: readonly number[]): boolean => {
  const { statusCode } = engineError(err);
  return statusCode !== undefined && numbers.includes(statusCode);
};

/** Podman answers some conflicts of names with 500 and a text. */
export const isNameConflict = (err: unknown): boolean =>
  hasStatus(err, 409) || /name .* is already in use|already exists/i.test(engineError(err).text);

const engineError = (err: unknown): EngineError => {
  const seen: { statusCode?: unknown; code?: unknown; message?: unknown; json?: unknown } =
    typeof err === 'object' && err !== null ? err : {};
  const inner = typeof seen.json === 'object' && seen.json !== null ? (seen.json as { message?: unknown; cause?: unknown }) : {};
  const texts = [seen.message, inner.message, inner.cause, typeof err === 'string' ? err : undefined];
  return {
    statusCode: typeof seen.statusCode === 'number' ? seen.statusCode : undefined,
    code: typeof seen.code === 'string' ? seen.code : undefined,
    text: texts.filter((text) => typeof text === 'string').join(' '),
  };
};
