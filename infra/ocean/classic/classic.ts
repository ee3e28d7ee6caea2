/** What only the classic API asks of Ocean, joined. */

import type { AccessDeps } from '../access.ts';
import { createClassicAccess, type ClassicAccess } from './access.ts';
import { createClassicChecks, type ClassicAssets, type ClassicCheckRequest } from './checks.ts';
import { createClassicQuotes, type ClassicQuote, type ClassicQuoteRequest } from './quote.ts';
import type { Coded } from './refuse.ts';

export interface ClassicOcean {
  /** @throws JobFailure AccessDenied, RequestInvalid, ChainUnavailable, OrderPending */
  check(request: ClassicCheckRequest): Promise<Coded<ClassicAssets>>;
  /** @throws JobFailure as `check` does */
  quote(request: ClassicQuoteRequest): Promise<Coded<ClassicQuote>>;
  readonly access: ClassicAccess;
}

export const connectClassic = (deps: AccessDeps): ClassicOcean => ({
  check: createClassicChecks(deps),
  quote: createClassicQuotes(deps),
  access: createClassicAccess(deps),
});
