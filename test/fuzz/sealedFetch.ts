/** The way out of an API that is fuzzed: to one server of this machine, and to nothing else. */

import { OutboundRefused } from '../../infra/outbound/outboundErrors.ts';
import type { GuardedFetch } from '../../infra/outbound/guardedFetch.ts';

const originOf = (url: string): string | null => (URL.canParse(url) ? new URL(url).origin : null);

/**
 * Lets `fetch` reach `origin` and refuses all else before a name is looked up: a fuzzer invents addresses, and some of
 * them are somebody's.
 */
export const sealFetch =
  (fetch: GuardedFetch, origin: string): GuardedFetch =>
  async (request, signal) => {
    if (originOf(request.url) !== origin) throw new OutboundRefused('only the data owner of this run may be asked');
    return fetch(request, signal);
  };
