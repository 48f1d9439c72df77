// Command checker reads a log of Holdfast as strangers do: with Go's own packages for signed notes and transparency
// logs, and with the Merkle proofs of transparency-dev. It knows nothing of Holdfast but the C2SP formats.
//
//	checker log [-every] LOG VKEY…        LOG is a folder or a URL, the log's prefix
//	checker receipt FILE VKEY…
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// height 8: tiles of 256 hashes (C2SP tlog-tiles).
const height = 8
const width = 1 << height

var errAbsent = errors.New("not there")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "checker:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: checker log [-every] LOG VKEY… | checker receipt FILE VKEY…")
	}
	switch args[0] {
	case "log":
		every := args[1] == "-every"
		if every {
			args = args[1:]
		}
		return checkLog(args[1], args[2:], every)
	case "receipt":
		return checkReceipt(args[1], args[2:])
	}
	return fmt.Errorf("no such command: %s", args[0])
}

// fetch reads a resource by its path under the log's prefix.
type fetch func(path string) ([]byte, error)

func opener(prefix string) fetch {
	if !strings.HasPrefix(prefix, "http://") && !strings.HasPrefix(prefix, "https://") {
		return func(path string) ([]byte, error) {
			data, err := os.ReadFile(filepath.Join(prefix, filepath.FromSlash(path)))
			if errors.Is(err, os.ErrNotExist) {
				return nil, errAbsent
			}
			return data, err
		}
	}
	return func(path string) ([]byte, error) {
		answer, err := http.Get(strings.TrimRight(prefix, "/") + "/" + path)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusNotFound {
			return nil, errAbsent
		}
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", path, answer.Status)
		}
		return io.ReadAll(answer.Body)
	}
}

// tilePath is C2SP's: no height, and "entries" for the bundles. tlog.Tile.Path is of sum.golang.org.
func tilePath(level string, index int64, w int) string {
	path := fmt.Sprintf("%03d", index%1000)
	for rest := index / 1000; rest > 0; rest /= 1000 {
		path = fmt.Sprintf("x%03d/%s", rest%1000, path)
	}
	path = "tile/" + level + "/" + path
	if w != width {
		path += ".p/" + strconv.Itoa(w)
	}
	return path
}

// read gives the tile of w hashes or entries; where the partial one was dropped, from the full one.
func read(get fetch, level string, index int64, w int) ([]byte, error) {
	data, err := get(tilePath(level, index, w))
	if errors.Is(err, errAbsent) && w != width {
		data, err = get(tilePath(level, index, width))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tilePath(level, index, w), err)
	}
	return data, nil
}

func hashTile(get fetch, t tlog.Tile) ([]byte, error) {
	data, err := read(get, strconv.Itoa(t.L), t.N, t.W)
	if err != nil {
		return nil, err
	}
	want := t.W * tlog.HashSize
	if len(data) != want && len(data) != width*tlog.HashSize {
		return nil, fmt.Errorf("tile %d/%d has %d bytes", t.L, t.N, len(data))
	}
	return data[:want], nil
}

// tiles is what tlog reads a log through; it authenticates all that comes from here.
type tiles struct{ get fetch }

func (tiles) Height() int                     { return height }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (r tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range wanted {
		data, err := hashTile(r.get, t)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func openCheckpoint(msg []byte, vkeys []string) (tlog.Tree, error) {
	var known []note.Verifier
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return tlog.Tree{}, fmt.Errorf("vkey: %w", err)
		}
		known = append(known, v)
	}
	opened, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != known[0].Name() {
		return tlog.Tree{}, errors.New("checkpoint: another form or origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("checkpoint: no size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("checkpoint: no root")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

func checkLog(prefix string, vkeys []string, every bool) error {
	get := opener(prefix)
	msg, err := get("checkpoint")
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	tree, err := openCheckpoint(msg, vkeys)
	if err != nil {
		return err
	}

	// All hashes anew, from the entries alone.
	stored := newHashes()
	var leaves []tlog.Hash
	for at := int64(0); at < tree.N; {
		w := int(min(tree.N-at, width))
		data, err := read(get, "entries", at/width, w)
		if err != nil {
			return err
		}
		for range w {
			if len(data) < 2 {
				return fmt.Errorf("entry %d: the bundle ends before it", at)
			}
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				return fmt.Errorf("entry %d: the bundle ends within it", at)
			}
			entry := data[2 : 2+length]
			data = data[2+length:]
			leaves = append(leaves, tlog.RecordHash(entry))
			if err := stored.add(at, entry); err != nil {
				return err
			}
			at++
		}
		if at == tree.N && at%width == 0 && len(data) > 0 {
			return fmt.Errorf("something stands behind entry %d", at-1)
		}
	}
	root := tlog.Hash(rfc6962.DefaultHasher.EmptyRoot())
	if tree.N > 0 {
		if root, err = tlog.TreeHash(tree.N, stored); err != nil {
			return err
		}
	}
	if root != tree.Hash {
		return fmt.Errorf("the entries have the root %v and the checkpoint %v", root, tree.Hash)
	}

	// Every byte of every tile.
	for _, t := range tlog.NewTiles(height, 0, tree.N) {
		want, err := tlog.ReadTileData(t, stored)
		if err != nil {
			return err
		}
		data, err := hashTile(get, t)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, want) {
			return fmt.Errorf("%s is not that of the entries", tilePath(strconv.Itoa(t.L), t.N, t.W))
		}
	}

	// Proofs: made from the tiles as a client makes them (every path through them authenticated), and checked by two
	// verifiers.
	client := tlog.TileHashReader(tree, tiles{get})
	step := int64(1)
	if !every {
		step = max(1, tree.N/97)
	}
	proofs := 0
	for at := int64(0); at < tree.N; at += step {
		if err := checkProofs(tree, at, leaves[at], client, stored); err != nil {
			return err
		}
		proofs++
	}
	if tree.N > 0 {
		if err := checkProofs(tree, tree.N-1, leaves[tree.N-1], client, stored); err != nil {
			return err
		}
	}
	fmt.Printf("ok size %d proofs %d\n", tree.N, proofs)
	return nil
}

// checkProofs proves that record at is in the tree, and that the tree continues that of at+1 records.
func checkProofs(tree tlog.Tree, at int64, leaf tlog.Hash, client tlog.HashReader, own tlog.HashReader) error {
	inclusion, err := tlog.ProveRecord(tree.N, at, client)
	if err != nil {
		return fmt.Errorf("record %d: %w", at, err)
	}
	if err := tlog.CheckRecord(inclusion, tree.N, tree.Hash, at, leaf); err != nil {
		return fmt.Errorf("record %d: %w", at, err)
	}
	if err := proof.VerifyInclusion(
		rfc6962.DefaultHasher, uint64(at), uint64(tree.N), leaf[:], raw(inclusion), tree.Hash[:]); err != nil {
		return fmt.Errorf("record %d: %w", at, err)
	}
	earlier, err := tlog.TreeHash(at+1, own)
	if err != nil {
		return err
	}
	consistency, err := tlog.ProveTree(tree.N, at+1, client)
	if err != nil {
		return fmt.Errorf("tree of %d: %w", at+1, err)
	}
	if err := tlog.CheckTree(consistency, tree.N, tree.Hash, at+1, earlier); err != nil {
		return fmt.Errorf("tree of %d: %w", at+1, err)
	}
	if err := proof.VerifyConsistency(
		rfc6962.DefaultHasher, uint64(at+1), uint64(tree.N), raw(consistency), earlier[:], tree.Hash[:]); err != nil {
		return fmt.Errorf("tree of %d: %w", at+1, err)
	}
	return nil
}

func raw[Proof ~[]tlog.Hash](hashes Proof) [][]byte {
	var all [][]byte
	for _, hash := range hashes {
		all = append(all, bytes.Clone(hash[:]))
	}
	return all
}

// hashes is tlog's storage order, in memory.
type hashes struct{ all []tlog.Hash }

func newHashes() *hashes { return &hashes{} }

func (h *hashes) add(at int64, entry []byte) error {
	more, err := tlog.StoredHashes(at, entry, h)
	h.all = append(h.all, more...)
	return err
}

func (h *hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(h.all)) {
			return nil, fmt.Errorf("hash %d is not there yet", index)
		}
		found[i] = h.all[index]
	}
	return found, nil
}

// checkReceipt checks a C2SP tlog-proof. What its leaf says is for who holds the keys to it; here the leaf is taken from
// the file FILE.leaf, as whoever serves the log's entries has it.
func checkReceipt(file string, vkeys []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	leaf, err := os.ReadFile(file + ".leaf")
	if err != nil {
		return err
	}
	head, msg, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("the proof has no index")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	tree, err := openCheckpoint([]byte(msg), vkeys)
	if err != nil {
		return err
	}
	if index >= tree.N {
		return errors.New("the index is behind the tree")
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		return err
	}
	fmt.Printf("ok index %d size %d\n", index, tree.N)
	return nil
}
