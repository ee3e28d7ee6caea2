/** The few lines of POSIX shell around every algorithm and every filter: wait for the gate, run, tell the true exit code. */

/** User id of the agent in every pod; no algorithm may run under it. */
export const agentUid = 64_242;

/** What the script depends on. */
export interface WrapperSettings {
  /** `noNetwork`: the script refuses when its network namespace has more than loopback; `canary`: the agent proves the seal */
  readonly seal: 'noNetwork' | 'canary';
  /** seconds after the start of the algorithm when everything in the container is killed */
  readonly deadlineSeconds: number;
  /** the largest file that the algorithm may write: the kernel refuses a larger one at once (no core dumps at all) */
  readonly fileBytes: number;
  /** variables that the runtime adds and the algorithm is not to see */
  readonly hiddenVariables?: readonly string[];
  /**
   * A filter works on after a TERM, which may be meant for the algorithm: what that has left is still to be judged.
   * `endsWithAgent`: it ends when its agent has ended, where none comes back; else it would hold up the end of its pod.
   */
  readonly filter?: { readonly endsWithAgent: boolean };
  /** the shared control folder, read-only here */
  readonly controlFolder?: string;
  /** default: the one in the control folder */
  readonly busybox?: string;
  readonly outputsFolder?: string;
  /** a folder that it may write */
  readonly tmpFolder?: string;
}

/** Devices that a kernel puts into every network namespace once their module is loaded; without a route they lead nowhere. */
const idleTunnels = 'tunl0|sit0|ip6tnl0|gre0|gretap0|erspan0|ip_vti0|ip6_vti0|ip6gre0';

const sealProof = `
c2d_seen=
while read -r c2d_name c2d_rest; do
  case "$c2d_name" in
    Inter-\\|*|face) ;;
    lo:*) c2d_seen=lo ;;
    *:*) case "\${c2d_name%%:*}" in ${idleTunnels}) ;; *) refuse "network \${c2d_name%%:*}" ;; esac ;;
  esac
done < /proc/net/dev
[ "$c2d_seen" = lo ] || refuse "network unknown"
while read -r c2d_name c2d_rest; do
  case "$c2d_name" in Iface|lo) ;; *) refuse "route $c2d_name" ;; esac
done < /proc/net/route
`;

const waitAtGate = `
echo here >&4
until read -r c2d_go c2d_nonce < $c2d/gate && [ "$c2d_go" = go ]; do $bb sleep 0.01; done
leave() {
  until [ -e $c2d/taken ]; do echo "$2" >&4; read -r c2d_go < $c2d/gate; done 2> /dev/null
  exit $1
}`;

/** An open gate tells the end of the agent, and so does an empty line that nobody takes; an agent skips those. */
const waitAtGateForAgent = `
exec 6< $c2d/gate
echo here >&4
trap '' TERM INT
until [ "$c2d_go" = go ]; do read -r c2d_go c2d_nonce <&6 || exit 125; done
leave() {
  until [ -e $c2d/taken ]; do echo "$2" >&4; read -r c2d_go <&6 || exit $1; done 2> /dev/null
  exit $1
}`;
const agentIsThere = '  echo >&4 || kill -KILL -1';

const awaitGate = (filter: WrapperSettings['filter']): string => {
  if (filter?.endsWithAgent === true) return waitAtGateForAgent.trim();
  return filter === undefined ? waitAtGate.trim() : `trap '' TERM INT${waitAtGate}`;
};

/**
 * The script, for `busybox sh -c <script> wrapper <argv…>`. It speaks to the agent over FIFOs in the control folder:
 * lines on `life` (`here`; `unsealed <why>`; `started`, `unstartable` and `exit`, each with the nonce that came through
 * the gate, so that the algorithm cannot forge them), output on `log`. It holds `life` open until it ends, so the agent
 * learns of any end, also of a kill -9. Its last word is repeated until the agent has taken it
 * (`taken` in the control folder): what is written to a pipe while the agent is between two lives is lost, and so is what
 * lies in the log's pipe once nobody holds that. TERM goes on to the algorithm, once; whoever sent it, or a `stop` in the
 * control folder, kills what does not heed it. It watches for that, and for its deadline, by itself: the algorithm has its
 * user, so it could end or freeze any other process, but not the first one of its container. It uses shell builtins and
 * its busybox only: the image may be empty. Nothing it needs is exported to the algorithm.
 */
export const wrapperScript = ({
  seal,
  deadlineSeconds,
  fileBytes,
  hiddenVariables = [],
  filter,
  controlFolder = '/.c2d',
  busybox = `${controlFolder}/busybox`,
  outputsFolder = '/data/outputs',
  tmpFolder = '/tmp',
}: WrapperSettings): string => `
c2d=${controlFolder}
bb=${busybox}
c2d_pipe=${tmpFolder}/.c2d-$$
unset SHLVL OLDPWD PWD c2d_step c2d_go c2d_nonce c2d_child c2d_code c2d_program c2d_stopped c2d_again c2d_now c2d_rest c2d_end c2d_word ${hiddenVariables.join(' ')}
refuse() { [ -e $c2d/ready ] && echo "unsealed $1" >&4; exit 125; }
trap 'exit 143' TERM INT
c2d_n=0
while [ ! -e $c2d/ready ]; do
  c2d_n=$((c2d_n+1)); [ $c2d_n -lt 60000 ] || exit 125
  $bb sleep 0.01
done
trap '' PIPE
exec 3<>$c2d/log 4>$c2d/life
c2d_uid=$($bb id -u)
[ "$c2d_uid" != 0 ] || refuse root
[ "$c2d_uid" != ${agentUid} ] || refuse uid
${seal === 'noNetwork' ? sealProof : ''}
# a pipe of its own that nobody writes to: it waits there with a time limit, and without a process that could be ended or frozen
$bb mkfifo -m 600 $c2d_pipe && exec 5<> $c2d_pipe || refuse pipe
$bb rm -f $c2d_pipe
${awaitGate(filter)}
find_program() {
  c2d_program=
  case "$1" in
    */*) [ -x "$1" ] && [ ! -d "$1" ] && c2d_program=$1 ;;
    ?*)
      IFS=:
      for c2d_dir in $PATH; do
        if [ -x "\${c2d_dir:-.}/$1" ] && [ ! -d "\${c2d_dir:-.}/$1" ]; then c2d_program=\${c2d_dir:-.}/$1; break; fi
      done
      unset IFS ;;
  esac
  [ -n "$c2d_program" ]
}
if ! find_program "$1"; then
  leave 127 "unstartable $c2d_nonce $1"
fi
shift
c2d_stopped=
c2d_step=1
${filter === undefined ? "trap 'c2d_stopped=1; c2d_step=0.1; kill -TERM -1 2>/dev/null' TERM INT" : ''}
trap 'c2d_again=1' CHLD
read -r c2d_now c2d_rest < /proc/uptime
c2d_end=$((\${c2d_now%%.*}+${Math.ceil(deadlineSeconds)}))
watch() {
  c2d_again=
  jobs -p > /dev/null
  kill -0 $1 || return 1
  read -r c2d_now c2d_rest < /proc/uptime
  if [ -e $c2d/stop ] || [ \${c2d_now%%.*} -ge $c2d_end ]; then kill -KILL -1; fi
${filter?.endsWithAgent === true ? agentIsThere : ''}
  [ -n "$c2d_again" ] || read -t $c2d_step c2d_rest <&5
  return 0
} 2> /dev/null
echo "started $c2d_nonce" >&4
(
  trap - PIPE CHLD${filter === undefined ? '' : ' TERM INT'}
  ulimit -c 0 -f ${Math.ceil(fileBytes / 512)}
  exec "$c2d_program" "$@" >&3 2>&3 3>&- 4>&- 5>&-${filter?.endsWithAgent === true ? ' 6<&-' : ''}
) < /dev/null 2> /dev/null &
c2d_child=$!
while watch $c2d_child; do :; done
wait $c2d_child
c2d_code=$?
c2d_kills=0
for c2d_file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  [ -r $c2d_file ] || continue
  while read -r c2d_name c2d_value; do [ "$c2d_name" != oom_kill ] || c2d_kills=$c2d_value; done < $c2d_file
  break
done
if [ -n "$c2d_stopped" ]; then
  while watch -1; do :; done
fi
kill -KILL -1 2> /dev/null
c2d_word="exit $c2d_nonce $c2d_code $c2d_kills"
echo "$c2d_word" >&4
$bb find ${outputsFolder} -mindepth 1 -maxdepth 1 ! -type l -exec $bb chmod -R a+rX {} + 2> /dev/null
leave $c2d_code "$c2d_word"
`;
