/** What the operator-service API needs beyond the others. */

import type { Ledger } from '../../infra/ledger/ledger.ts';
import type { ApiDeps, JobLedger } from '../ports.ts';
import type { Route } from '../route.ts';

/** The ledger's operations on jobs of legacy Providers, and those that operators use. */
export type OperatorLedger = JobLedger &
  Pick<Ledger, 'reserveProviderJob' | 'readProviderJob' | 'findProviderJobs' | 'openJobOn' | 'runningJobs'>;

/** How this installation serves the API. */
export interface OperatorSettings {
  /** addresses of the Providers whose signatures count, lower-case; none: nobody's */
  readonly providers: readonly string[];
  /** values of the `Admin` header that count, lower-case; none: no value does */
  readonly admins: readonly string[];
  /** take what old ocean-nodes sign, and what old operator-services verified; much of it can be replayed */
  readonly takesOlderSignatures: boolean;
}

/** Everything that `createOperatorApp` is made of. */
export interface OperatorDeps extends ApiDeps {
  readonly ledger: OperatorLedger;
  readonly settings: OperatorSettings;
}

/** One call of the operator-service API. */
export interface OperatorRoute extends Omit<Route, 'handle' | 'errorShape'> {
  handle(deps: OperatorDeps): ReturnType<Route['handle']>;
}

/** What all calls but `GET /` are below. */
export const base = '/api/v1/operator';
