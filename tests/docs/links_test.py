"""Every link of the documentation leads somewhere: files exist, and so do the
headings that a #fragment names. Addresses of other sites are not followed.
"""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Built, fetched or written by runs.
FOREIGN = {".deps", ".cache", "build", "runs"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def pages():
    return [page for page in sorted(ROOT.rglob("*.md"))
            if not FOREIGN & set(page.relative_to(ROOT).parts[:1])]


def prose(page):
    return CODE.sub("", page.read_text())


def links(page):
    return [link for link in LINK.findall(prose(page))
            if not re.match(r"[a-z]+:", link)]


def fragments(page):
    """Of its headings, as GitHub makes them."""
    found = set()
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        heading = LINK.sub(lambda m: m[0][1:m[0].index("]")], heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 1
        name = slug
        while name in found:
            name, number = f"{slug}-{number}", number + 1
        found.add(name)
    return found


def fault(page, link):
    path, _, fragment = link.partition("#")
    target = page if not path else (page.parent / path).resolve()
    if not target.exists():
        return "no such file"
    if fragment and fragment not in fragments(target):
        return "no such heading"
    return ""


class LinksTest(unittest.TestCase):

    def test_every_link_leads_somewhere(self):
        dead = [f"{page.relative_to(ROOT)}: {link}: {fault(page, link)}"
                for page in pages() for link in links(page)
                if fault(page, link)]
        self.assertEqual(dead, [], "\n" + "\n".join(dead))

    def test_it_reads_the_documentation(self):
        names = {str(page.relative_to(ROOT)) for page in pages()}
        self.assertLessEqual({"README.md", "docs/howto/tls.md"}, names)
        self.assertGreater(sum(len(links(page)) for page in pages()), 20)

    def test_a_dead_link_is_seen(self):
        page = ROOT / "README.md"
        self.assertEqual(fault(page, "no/such.md"), "no such file")
        self.assertEqual(fault(page, "#no-such-heading"), "no such heading")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
