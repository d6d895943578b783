"""A scripted browser: cookies, redirects and HTML forms, as far as signing in and out needs them."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from oidc import User, http_session

_SECONDS = 20
_MOST_STEPS = 12


class Browser:
    """One person's browser. The callback of an RP is never opened, only read off the redirect."""

    def __init__(self, ca_file: str | None = None):
        self._http = http_session(ca_file)

    def sign_in(self, authorization_url: str, redirect_uri: str, user: User) -> dict[str, str]:
        """Opens an authorization URL, signs in where asked, and returns what the callback was given in its query."""
        return dict(parse_qsl(urlsplit(self.callback(authorization_url, redirect_uri, user)).query))

    def callback(self, authorization_url: str, redirect_uri: str, user: User) -> str:
        """The same; returns the whole URL of the callback."""
        page = self._open(authorization_url, redirect_uri)
        form = LoginForm.on(page)
        if form is not None:
            answer = self._http.post(form.action, data=form.filled_in_by(user), allow_redirects=False, timeout=_SECONDS)
            page = self._follow(answer, redirect_uri)
        return _callback(page, redirect_uri)

    def is_asked_to_sign_in(self, authorization_url: str, redirect_uri: str) -> bool:
        return LoginForm.on(self._open(authorization_url, redirect_uri)) is not None

    def sign_out(self, end_session_url: str, post_logout_redirect_uri: str) -> None:
        page = self._open(end_session_url, post_logout_redirect_uri)
        _callback(page, post_logout_redirect_uri)

    def _open(self, url: str, stop_at: str) -> requests.Response:
        return self._follow(self._http.get(url, allow_redirects=False, timeout=_SECONDS), stop_at)

    def _follow(self, page: requests.Response, stop_at: str) -> requests.Response:
        """Follows redirects, up to the one that leads to `stop_at`."""
        for _ in range(_MOST_STEPS):
            location = page.headers.get("Location")
            if not page.is_redirect or location.startswith(stop_at):
                return page
            page = self._http.get(urljoin(page.url, location), allow_redirects=False, timeout=_SECONDS)
        raise AssertionError(f"more than {_MOST_STEPS} redirects")


class LoginForm(HTMLParser):
    """The form with a password field, its hidden fields and its action."""

    def __init__(self, page: requests.Response):
        super().__init__()
        self.action = page.url
        self._fields: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._url = page.url
        self.feed(page.text)

    @classmethod
    def on(cls, page: requests.Response) -> LoginForm | None:
        form = cls(page)
        return form if "password" in form._names else None

    def filled_in_by(self, user: User) -> dict[str, str]:
        return self._fields | {self._names["text"]: user.name, self._names["password"]: user.password}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.action = urljoin(self._url, attributes.get("action") or "").partition("#")[0]
        elif tag == "input" and attributes.get("type") == "hidden":
            self._fields[attributes["name"]] = attributes.get("value") or ""
        elif tag == "input" and attributes.get("type") in ("text", "password"):
            self._names[attributes["type"]] = attributes["name"]


def _callback(page: requests.Response, callback: str) -> str:
    location = page.headers.get("Location", "")
    assert location.startswith(callback), f"{page.status_code} instead of a redirect to {callback}: {page.text[:300]}"
    return location
