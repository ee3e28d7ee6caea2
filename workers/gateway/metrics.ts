/** Metrics of the gateway, for Prometheus. */

import { Counter, Registry } from 'prom-client';

/** Counters that routes increase. */
export interface GatewayMetrics {
  readonly registry: Registry;
  readonly stagedBytes: Counter;
  readonly storedBytes: Counter;
  readonly earlyReports: Counter;
  readonly badTokens: Counter;
  readonly sourceFailures: Counter<'retryable'>;
}

export const createGatewayMetrics = (registry = new Registry()): GatewayMetrics => {
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers: [registry] });
  return {
    registry,
    stagedBytes: counter('c2d_gateway_staged_bytes_total', 'bytes of data sources handed to pods'),
    storedBytes: counter('c2d_gateway_stored_bytes_total', 'bytes of outputs and logs taken from pods and stored'),
    earlyReports: counter('c2d_gateway_early_reports_total', 'reports of a phase that nothing waited for within the patience'),
    badTokens: counter('c2d_gateway_bad_tokens_total', 'requests without a token of ours'),
    sourceFailures: new Counter({
      name: 'c2d_gateway_source_failures_total',
      help: 'requests to data sources that failed, by whether they may be retried',
      labelNames: ['retryable'],
      registers: [registry],
    }),
  };
};
