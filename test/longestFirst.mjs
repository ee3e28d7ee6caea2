/**
 * Order of the test files: those that took longest first, so that no worker is left with a long one at the end.
 * `durations.json` has what they took, in seconds; `.ci/run --record-durations` writes it. Files that it does not know come first.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import Sequencer from '@jest/test-sequencer';

const durations = JSON.parse(readFileSync(new URL('durations.json', import.meta.url), 'utf8'));

const secondsOf = ({ path: file, context }) => durations[path.relative(context.config.rootDir, file)] ?? Number.MAX_SAFE_INTEGER;

export default class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((one, other) => secondsOf(other) - secondsOf(one) || one.path.localeCompare(other.path));
  }
}
