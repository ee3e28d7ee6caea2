/** How requests to data sources fail. No message tells an address: a URL may be a secret, and may be signed. */

/** A rule of ours forbids the request. Trying again is pointless. */
export class OutboundRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OutboundRefused';
  }
}

/** Network or server failed. Trying again may help. */
export class OutboundFailed extends Error {
  /** the system's or undici's code, for logs; null where there is none */
  readonly code: string | null;

  constructor(message: string, code: string | null = null) {
    super(message);
    this.name = 'OutboundFailed';
    this.code = code;
  }
}

const texts: Readonly<Record<string, string>> = {
  ENOTFOUND: "the data source's name cannot be resolved",
  EAI_AGAIN: "the data source's name cannot be resolved at the moment",
  ECONNREFUSED: 'the data source refused the connection',
  ECONNRESET: 'the data source cut the connection',
  EPIPE: 'the data source cut the connection',
  ETIMEDOUT: 'the data source did not answer in time',
  EHOSTUNREACH: 'the data source cannot be reached',
  ENETUNREACH: 'the data source cannot be reached',
  UND_ERR_SOCKET: 'the data source cut the connection',
  UND_ERR_CONNECT_TIMEOUT: 'the data source did not take the connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'the data source did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'the data source stopped sending',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the data source sent another amount of bytes than it announced',
};

/** By shape: errors made in another realm are no instances of our `Error`. */
const isError = (err: unknown): err is Error => typeof err === 'object' && err !== null && 'message' in err && 'name' in err;

const codeOf = (err: unknown): string | null => {
  for (let current = err; isError(current); current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code;
  }
  return null;
};

const isTlsCode = (code: string): boolean => /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code);

/**
 * The error to show instead of one from undici, Node or the resolver, whose messages name hosts and ports.
 * Also for errors of a response's body. An abort by the caller passes unchanged.
 */
export const outboundError = (err: unknown, signal?: AbortSignal): Error => {
  if (err instanceof OutboundRefused || err instanceof OutboundFailed) return err;
  if (signal?.aborted === true) return isError(err) ? err : new OutboundFailed('the request was given up');
  const code = codeOf(err);
  if (code === null) return new OutboundFailed('the connection to the data source failed');
  if (code === 'UND_ERR_INVALID_ARG') return new OutboundRefused('the request to the data source is malformed');
  if (isTlsCode(code)) return new OutboundFailed('the data source has no valid certificate', code);
  return new OutboundFailed(texts[code] ?? `the connection to the data source failed (${code})`, code);
};
