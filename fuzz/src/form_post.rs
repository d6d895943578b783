//! Pages that post themselves: for another reader of HTML, only the values of hidden inputs change, and only those
//! that were found to be tokens.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use kidstamp::token::{AuthorizationResponse, TokenKind};
use std::cell::RefCell;

pub(super) fn run(data: &[u8]) {
    let (query, page) = super::halves(data);
    let Ok(query) = std::str::from_utf8(query) else { return };
    let Some(response) = AuthorizationResponse::from_page(page, query) else { return };
    assert_eq!(response.with(&[]), page);
    if query.contains("eyJuZXci") {
        // What stands in the request is none of the response, and the new tokens would not be found again.
        return;
    }
    let new: Vec<(TokenKind, String)> = response
        .tokens()
        .map(|token| (token.kind(), format!("eyJuZXciOiJ{}.b.c", token.kind().name().len())))
        .collect();
    let after = response.with(&new);
    let again = AuthorizationResponse::from_page(&after, query).expect("still a response");
    let texts: Vec<(TokenKind, String)> =
        again.tokens().map(|token| (token.kind(), token.text().to_owned())).collect();
    assert_eq!(texts, new);
    let (Ok(before), Ok(after)) = (std::str::from_utf8(page), std::str::from_utf8(&after)) else {
        return;
    };
    // In there, tags mean other things, and a tokenizer alone doesn't know where that ends.
    if !["<svg", "<math"].iter().any(|foreign| before.to_ascii_lowercase().contains(foreign)) {
        compare(before, after, new.len());
    }
}

/// Every tag that html5ever sees, without the texts between them.
#[derive(Default)]
struct Tags(RefCell<Vec<Tag>>);

impl TokenSink for Tags {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        // What a tree builder would say: there are no tags in the texts of these.
        let next = match &*tag.name {
            _ if tag.kind != StartTag => TokenSinkResult::Continue,
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            "style" | "iframe" | "xmp" | "noembed" | "noframes" | "noscript" => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            "plaintext" => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        };
        self.0.borrow_mut().push(tag);
        next
    }
}

fn tags(page: &str) -> Vec<Tag> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    let tokenizer = Tokenizer::new(Tags::default(), TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

fn compare(before: &str, after: &str, tokens: usize) {
    let (before, after) = (tags(before), tags(after));
    assert_eq!(before.len(), after.len(), "the page has other tags now");
    let mut changed = 0;
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((&old.name, old.kind), (&new.name, new.kind));
        assert_eq!(old.attrs.len(), new.attrs.len());
        for (old, new) in old.attrs.iter().zip(&new.attrs) {
            assert_eq!(old.name, new.name);
            if old.value != new.value {
                assert!(&*old.name.local == "value", "{:?} changed", old.name);
                changed += 1;
            }
        }
    }
    assert!(changed <= tokens, "{changed} values changed for {tokens} tokens");
}
