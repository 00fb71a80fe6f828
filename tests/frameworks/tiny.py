"""Models of a few kilobytes, made here: nothing is downloaded."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "ran", "far", "and", "saw", "me", "you", "they", "it", "was"]
SPECIAL = ["<pad>", "</s>", "<s>", "<unk>"]


def tokenizer():
    """One token per word; the end is marked."""
    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>",
        padding_side="left",
    )  # fmt: skip


def _sizes():
    return {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def causal(**more):
    """A language model that ends by chance."""
    config = LlamaConfig(
        vocab_size=len(SPECIAL + WORDS), max_position_embeddings=512, pad_token_id=0, eos_token_id=1, bos_token_id=2,
        **(_sizes() | more),
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def seq2seq():
    """An encoder and a decoder."""
    config = T5Config(
        vocab_size=len(SPECIAL + WORDS), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config).eval()


def _bert():
    return BertConfig(vocab_size=len(SPECIAL + WORDS), max_position_embeddings=128, num_labels=2, **_sizes())


def classifier():
    """Two classes."""
    return BertForSequenceClassification(_bert()).eval()


def encoder():
    """Hidden states."""
    return BertModel(_bert()).eval()


def saved(folder, model):
    """Save a model and its tokenizer as ``from_pretrained`` reads them."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)
