import { quoted } from "./partsText.ts";

/** Where the session's proxy is, inside: a directory that only the host writes to. */
export const proxyDirectory = "/agent/proxy";
export const proxySocketPath = `${proxyDirectory}/proxy.sock`;
export const authoritiesPath = `${proxyDirectory}/authorities.pem`;

/** On the loopback of the place. */
export const bridgePort = 3128;

/**
 * Listens on the loopback of the place and copies to the socket and back, one way at a time until
 * each way ends. The lightest program comes first: all of them are in some image and none in every.
 */
const programs: Readonly<Record<string, readonly string[]>> = {
  perl: [
    // Without its modules, which take three times as long to load as all the rest: families,
    // options and errors are by their numbers on Linux.
    "-e",
    String.raw`
$SIG{PIPE} = "IGNORE";
socket(my $door, 2, 1, 0) or exit 1;
setsockopt($door, 1, 2, pack("i", 1));
bind($door, pack("S n C4 x8", 2, ${bridgePort}, 127, 0, 0, 1)) && listen($door, 128) or exit 1;
sub later { $! == 11 || $! == 4 }
my (%peer, %sock, %out, %over);
sub drop { for my $n ($_[0], $peer{$_[0]}) { close $sock{$n}; delete $sock{$n}; delete $out{$n}; delete $over{$n}; } delete $peer{delete $peer{$_[0]}}; }
while (1) {
  my ($r, $w) = ("", "");
  vec($r, fileno $door, 1) = 1;
  for my $n (keys %sock) {
    if (length $out{$n}) { vec($w, $n, 1) = 1 } elsif (!$over{$peer{$n}}) { vec($r, $peer{$n}, 1) = 1 }
  }
  next if select($r, $w, undef, undef) < 0;
  for my $n (keys %sock) {
    next unless $sock{$n};
    if (vec($w, $n, 1)) {
      my $sent = syswrite $sock{$n}, $out{$n};
      if (!defined $sent) { drop $n unless later; next }
      substr($out{$n}, 0, $sent, "");
    }
    if (vec($r, $n, 1)) {
      my $got = sysread $sock{$n}, $out{$peer{$n}}, 65536;
      if (!defined $got) { drop $n unless later; next }
      if ($got == 0) {
        $over{$n} = 1;
        shutdown $sock{$peer{$n}}, 1;
        drop $n if $over{$peer{$n}};
      }
    }
  }
  next unless vec($r, fileno $door, 1);
  my ($from, $to);
  accept($from, $door) or next;
  socket($to, 1, 1, 0) or next;
  connect($to, pack("S a108", 1, "${proxySocketPath}")) or next;
  for my $end ($from, $to) { fcntl($end, 4, fcntl($end, 3, 0) | 2048) }
  my ($near, $far) = (fileno $from, fileno $to);
  @sock{$near, $far} = ($from, $to);
  @peer{$near, $far} = ($far, $near);
  @out{$near, $far} = ("", "");
}
`,
  ],
  python3: [
    "-IS",
    "-c",
    String.raw`
import select, socket
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind(("127.0.0.1", ${bridgePort}))
door.listen(128)
peer, out, over = {}, {}, set()
def drop(one):
  for end in (one, peer[one]):
    out.pop(end); over.discard(end); end.close()
  peer.pop(peer.pop(one))
while True:
  writers = [end for end in peer if out[end]]
  readers = [end for end in peer if end not in over and not out[peer[end]]]
  reads, writes, _ = select.select([door] + readers, writers, [])
  for end in writes:
    if end not in peer: continue
    try: out[end] = out[end][end.send(out[end]):]
    except BlockingIOError: pass
    except OSError: drop(end)
  for end in reads:
    if end is door:
      near, far = door.accept()[0], socket.socket(socket.AF_UNIX)
      try: far.connect("${proxySocketPath}")
      except OSError: near.close(); far.close(); continue
      near.setblocking(False); far.setblocking(False)
      peer[near], peer[far], out[near], out[far] = far, near, b"", b""
      continue
    if end not in peer: continue
    try: got = end.recv(65536)
    except BlockingIOError: continue
    except OSError: drop(end); continue
    if got: out[peer[end]] = got; continue
    over.add(end)
    if peer[end] in over: drop(end); continue
    try: peer[end].shutdown(socket.SHUT_WR)
    except OSError: drop(end)
`,
  ],
  node: [
    "-e",
    String.raw`
const { createServer, connect } = require("node:net");
createServer({ allowHalfOpen: true }, (near) => {
  const far = connect({ path: "${proxySocketPath}", allowHalfOpen: true });
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
  near.pipe(far).pipe(near);
}).listen(${bridgePort}, "127.0.0.1");
`,
  ],
  socat: [
    // Else it ends half a second after either half does.
    "-t3600",
    `TCP-LISTEN:${bridgePort},bind=127.0.0.1,fork,reuseaddr,backlog=128`,
    `UNIX-CONNECT:${proxySocketPath}`,
  ],
};

/** What can be the bridge, in words. */
export const bridgePrograms = Object.keys(programs).join(", ");

const branches = Object.entries(programs).map(
  ([program, args]) => `${program}) exec "$runner" ${args.map(quoted).join(" ")} ;;`,
);

/**
 * For the warden. `bridge_up` starts it where it does not run; it is the warden's own child, so its
 * number is nobody else's while it lives. Whether it listens is tried once, by a connection that
 * says nothing: the kernel's own list takes it milliseconds.
 */
export const bridgeFunctions = String.raw`
bridge= runner= listens=
bridge_up() {
  [ -n "$bridge" ] && kill -0 "$bridge" && return
  listens=
  for program in ${Object.keys(programs).join(" ")}; do
    type -P "$program" >/dev/null || continue
    runner=$program
    (case $program in
${branches.join("\n")}
    esac) </dev/null >/dev/null 2>&1 &
    bridge=$!
    return
  done
  runner=
}
`;

/** Branches of the warden's `case`. */
export const bridgeBranches = String.raw`
    bridge)
      bridge_up
      [ -n "$listens" ] || { : <>/dev/tcp/127.0.0.1/${bridgePort}; } && listens=1
      printf '\0%s %s;%s\0' "$arguments" "$runner" "$listens" ;;
`;
