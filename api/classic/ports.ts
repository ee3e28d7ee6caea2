/** What the classic API needs beyond the others. */

import type { ClassicAccess } from '../../infra/ocean/classic/access.ts';
import type { Coded } from '../../infra/ocean/classic/refuse.ts';
import type { ClassicCheckRequest } from '../../infra/ocean/classic/checks.ts';
import type { ClassicQuote, ClassicQuoteRequest } from '../../infra/ocean/classic/quote.ts';
import type { ApiDeps } from '../ports.ts';
import type { Route } from '../route.ts';
import type { ExaminedTokens } from '../tokens.ts';

/** Orders and fees by the rules of a classic Provider. Failures are JobFailures with a text for consumers. */
export interface ClassicOrders {
  /** everything that a start checks, in order */
  check(request: ClassicCheckRequest): Promise<Coded<unknown>>;
  quote(request: ClassicQuoteRequest): Promise<Coded<ClassicQuote>>;
  /** files of services */
  readonly access: ClassicAccess;
}

/** How this installation serves the API. */
export interface ClassicSettings {
  /** e.g. `/provider`, where everything is served too; empty: only at the root */
  readonly basePath: string;
  /** take the stop and delete calls of ocean.js 3.3.3 and later, which leave the nonce unsigned or out */
  readonly takesUnsignedNonces: boolean;
}

/** Everything that `createClassicApp` is made of. */
export interface ClassicDeps extends ApiDeps {
  readonly tokens: ExaminedTokens;
  readonly orders: ClassicOrders;
  readonly settings: ClassicSettings;
}

/** One call of the classic API. */
export interface ClassicRoute extends Omit<Route, 'handle' | 'errorShape'> {
  handle(deps: ClassicDeps): ReturnType<Route['handle']>;
}
